import type { Run } from '../command-run.ts'
import { loadConfig } from '../config.ts'
import { discover, requireAddress } from '../connection.ts'
import { loginPath, removeLogin } from '../login-store.ts'

export const run: Run<'logout'> = async (_values, _args, context) => {
  const { globals, env, cwd, output } = context
  const config = await discover(await loadConfig({ globals, environment: env, cwd }), context)
  const url = requireAddress(config, 'storage.url', false)
  const there = await removeLogin(loginPath(env, url))
  output.event({ type: 'logged-out', url, removed: there })
  output.say(there ? `The tokens for ${url} are removed from this machine` : `There was no login for ${url}`)
  return 0
}
