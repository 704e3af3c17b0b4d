import { networkInterfaces } from 'node:os'
import { resolve } from 'node:path'
import type { CommandValues, Run } from '../command-run.ts'
import type { CommandContext } from '../context.ts'
import { refusal } from '../refusal.ts'
import { checkConfigured, loadServerConfig, serveConfigured, showConfig } from '../serve-configured.ts'
import { isEveryAddress, isLoopback, serveUntilAborted } from '../serve-run.ts'

type Values = CommandValues<'serve'>

function checkValues({ host = '127.0.0.1', port = 5431, auth, publicUrl, fix, check }: Values): void {
  if (port < 0 || port > 65_535) throw refusal(`--port must lie between 0 and 65535, and is ${port}`)
  if (auth === 'none' && !isLoopback(host))
    throw refusal(`--auth none is for this machine alone, and --host ${host} is open to others: leave one of them out`)
  if (publicUrl !== undefined && (!/^https?:\/\//i.test(publicUrl) || !URL.canParse(publicUrl)))
    throw refusal(`--public-url must be an http or https address such as https://score.example.org, not '${publicUrl}'`)
  if (fix && !check) throw refusal('--fix goes with --check')
}

function checkPublicUrl({ host = '127.0.0.1', port = 5431, publicUrl }: Values): void {
  if (!isEveryAddress(host) || publicUrl !== undefined) return
  const own = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find((address) => address.family === 'IPv4' && !address.internal)
  const example = `http://${own?.address ?? 'score.example.org'}:${port}`
  throw refusal(`--host ${host} needs --public-url: clients are sent to the address it says, such as --public-url ${example}`)
}

/** A data folder alone, whatever the environment says. */
async function serveFolder(data: string, values: Values, context: CommandContext): Promise<number> {
  checkPublicUrl(values)
  const { host = '127.0.0.1', port = 5431, auth = 'token', catalogueReads = 'open', publicUrl, trustProxy } = values
  const { output } = context
  const { openEmbeddedScore } = await import('../../../src/index.ts')
  const dataDir = resolve(context.cwd, data)
  await serveUntilAborted(
    {
      open: (url, { ofScore }) =>
        openEmbeddedScore({
          dataDir,
          publicUrl: (publicUrl ?? url).replace(/\/+$/, ''),
          access: auth === 'none' ? 'none' : 'token',
          ...ofScore,
        }),
      server: { host, port, catalogueReads, trustProxy },
      observe: values,
      announce(url, { tokenPath }, more) {
        output.event({ type: 'ready', url, dataDir, tokenFile: tokenPath, pid: process.pid, ...more })
        output.say(`Score serves ${dataDir} at ${url}`)
        output.say(
          auth === 'none'
            ? 'Access: everyone on this machine (--auth none)'
            : `Access token: in ${tokenPath}; this user's 'score' finds it by itself`,
        )
        output.say('Ready. Ctrl-C ends it.')
      },
    },
    context,
  )
  return 0
}

/** `--data` alone needs no settings; with an original deployment's, or a file of them, it is one setting among others. */
function isFolderAlone({ data, check, showConfig: show, auth }: Values, { env, globals }: CommandContext): boolean {
  return data !== undefined && !check && !show && auth !== 'secure' && globals.config === undefined && !env['SPRING_PROFILES_ACTIVE']
}

export const run: Run<'serve'> = async (values, _args, context) => {
  checkValues(values)
  if (values.data !== undefined && isFolderAlone(values, context)) return serveFolder(values.data, values, context)
  const loaded = await loadServerConfig(values, context)
  if (values.showConfig) return showConfig(loaded, context)
  return values.check ? checkConfigured(loaded, values.fix, context) : serveConfigured(loaded, values, context)
}
