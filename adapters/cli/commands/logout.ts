import type { Run } from '../command-run.ts'
import { loadConfig } from '../config.ts'
import { discover, requireAddress } from '../connection.ts'
import type { CommandContext } from '../context.ts'
import { isScoreErrorLike } from '../error-report.ts'
import { loginPath, readLogin, removeLogin, type StoredLogin, withLoginLock } from '../login-store.ts'
import { type Reach, reachOf } from '../network.ts'

type Revocation = 'revoked' | 'unsupported' | 'failed'

/** Removed here in any case; that its issuer cannot be told is a warning. */
async function revoke(login: StoredLogin, reach: Reach, { output, now, signal }: CommandContext): Promise<Revocation> {
  const { revokeLogin } = await import('../../../src/index.ts')
  const { issuer, clientId } = login
  try {
    const outcome = await revokeLogin({ issuer, clientId, now, fetch: reach.fetch }, login, { signal })
    if (outcome === 'unsupported') output.warn(`${issuer} has no revocation, so the tokens work there until they run out`)
    return outcome
  } catch (error) {
    if (!isScoreErrorLike(error)) throw error
    output.warn(`the tokens could not be revoked, and work until they run out: ${error.message}`)
    return 'failed'
  }
}

export const run: Run<'logout'> = async (_values, _args, context) => {
  const { globals, env, cwd, output, signal } = context
  const config = await discover(await loadConfig({ globals, environment: env, cwd }), context)
  const url = requireAddress(config, 'storage.url', false)
  const path = loginPath(env, url)
  const [login, removed] = await withLoginLock(path, { signal }, async () => [await readLogin(path), await removeLogin(path)] as const)
  const revocation = login && (await revoke(login, await reachOf(config, context), context))
  output.event({ type: 'logged-out', url, removed, ...(revocation === undefined ? {} : { revocation }) })
  if (!removed) output.say(`There was no login for ${url}`)
  else
    output.say(`The tokens for ${url} are removed from this machine${revocation === 'revoked' ? `, and revoked at ${login?.issuer}` : ''}`)
  return 0
}
