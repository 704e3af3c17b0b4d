import type { Run } from '../command-run.ts'
import { loadConfig } from '../config.ts'
import { discover, requireAddress } from '../connection.ts'
import { loginPath, withLoginLock, writeLogin } from '../login-store.ts'
import { reachOf } from '../network.ts'

export const run: Run<'login'> = async (values, _args, context) => {
  const { globals, env, cwd, output, now, signal } = context
  const { startDeviceLogin } = await import('../../../src/index.ts')
  const config = await discover(await loadConfig({ globals, environment: env, cwd }), context)
  const url = requireAddress(config, 'storage.url', false)
  const { issuer, clientId, scope } = values
  const { fetch: fetcher } = await reachOf(config, context)
  const login = await startDeviceLogin({ issuer, clientId, now, fetch: fetcher }, scope, { signal })
  const { verificationUri, verificationUriComplete, userCode, expiresInSeconds } = login
  output.event({ type: 'login', verificationUri, verificationUriComplete, userCode, expiresInSeconds })
  output.say(`Open ${verificationUriComplete ?? verificationUri} and confirm the code ${userCode}`)
  const tokens = await login.complete({ signal })
  const path = loginPath(env, url)
  await withLoginLock(path, { signal }, () => writeLogin(path, { url, issuer, clientId, ...tokens }))
  output.event({ type: 'logged-in', url, renews: tokens.refreshToken !== undefined })
  output.say(`Logged in to ${url}`)
  if (tokens.refreshToken === undefined)
    output.warn(
      'the issuer gave no refresh token, so the login ends with its access token; ask for one with --scope "openid offline_access"',
    )
  return 0
}
