import { resolve } from 'node:path'
import type { ConfigFinding, OpenedScore, OpenScoreOptions, ServerConfig, ServerConfigInput, ServerConfigResult } from '../../src/index.ts'
import type { CommandValues } from './command-run.ts'
import type { CommandContext } from './context.ts'
import { packageVersion } from './package-version.ts'
import { refusal } from './refusal.ts'
import { isEveryAddress, isLoopback, serveUntilAborted } from './serve-run.ts'
import { readServerFiles } from './server-config-files.ts'

type Values = CommandValues<'serve'>

function optionsOf({ port, host, publicUrl, auth, catalogueReads, data }: Values, cwd: string): NonNullable<ServerConfigInput['options']> {
  const given = {
    'server.port': ['--port', port],
    'server.address': ['--host', host],
    'score.public-url': ['--public-url', publicUrl],
    'score.auth': ['--auth', auth],
    'score.catalogue-reads': ['--catalogue-reads', catalogueReads],
    'score.data': ['--data', data === undefined ? undefined : resolve(cwd, data)],
  } as const
  return Object.fromEntries(
    Object.entries(given).flatMap(([key, [name, value]]) => (value === undefined ? [] : [[key, { name, value: String(value) }]])),
  )
}

/** The settings of a server, from the command line, environment and files. */
export async function loadServerConfig(values: Values, context: CommandContext): Promise<ServerConfigResult> {
  const { readServerConfig } = await import('../../src/index.ts')
  return readServerConfig({ env: context.env, files: await readServerFiles(context), options: optionsOf(values, context.cwd) })
}

/** Tells what was found; without errors the service may start. @throws a refusal with the errors, if there are any. */
function tellFindings(findings: readonly ConfigFinding[], { output }: CommandContext): void {
  for (const { severity, setting, message } of findings) {
    output.event({ type: 'finding', severity, setting, message })
    if (severity === 'warning') output.warn(`${setting} ${message}`)
    if (severity === 'note') output.say(`${setting} ${message}`)
  }
  const errors = findings.filter(({ severity }) => severity === 'error').map(({ setting, message }) => `${setting} ${message}`)
  if (errors.length > 0) throw refusal(errors.join('\n'), { code: 'invalid-configuration', frame: 'plain' })
}

/** Prints every setting with where it comes from. */
export async function showConfig({ config, findings }: ServerConfigResult, { output }: CommandContext): Promise<number> {
  const { describeSettingSource, serverSettingKeys, serverSettingOf, shownSetting } = await import('../../src/index.ts')
  const rows = serverSettingKeys.map((key) => {
    const setting = config.settings[key]
    const { noEffect } = serverSettingOf(key)
    return {
      key,
      value: shownSetting(key, setting),
      source: describeSettingSource(setting.source),
      ...(noEffect ? { noEffect: noEffect.reason } : {}),
    }
  })
  if (output.json) output.event({ type: 'configuration', profiles: config.profiles, settings: rows, findings })
  else {
    const width = Math.max(...rows.map(({ key }) => key.length))
    const lines = rows.map(
      ({ key, value, source, noEffect }) =>
        `${key.padEnd(width)}  ${value === '' ? '(not set)' : value}  [${source}${noEffect === undefined ? '' : `; no effect: ${noEffect}`}]`,
    )
    const told = findings.map(({ severity, setting, message }) => `${severity}: ${setting} ${message}`)
    output.data(`${[...lines, ...(told.length === 0 ? [] : ['', ...told])].join('\n')}\n`)
  }
  return findings.some(({ severity }) => severity === 'error') ? 2 : 0
}

function hasBucket({ profiles }: ServerConfig): boolean {
  return profiles.includes('s3') || profiles.includes('azure')
}

/** All with the settings of an original deployment, this machine alone otherwise; everyone's access never leaves it. */
function hostOf(config: ServerConfig): string {
  const named = config.text('server.address')
  const isOpen = config.text('score.auth') === 'none'
  const host = named ?? (config.isSet('spring.profiles.active') && !isOpen ? '0.0.0.0' : '127.0.0.1')
  if (isOpen && !isLoopback(host))
    throw refusal(`access none (score.auth) is for this machine alone, and the address ${host} is open to others: leave one of them out`, {
      code: 'invalid-configuration',
    })
  const isLocalStore = !hasBucket(config)
  if (isLocalStore && isEveryAddress(host) && config.text('score.public-url') === undefined)
    throw refusal(
      `clients are sent to this server for data, and on ${host} it does not know its name: set SCORE_PUBLIC_URL or --public-url`,
      {
        code: 'invalid-configuration',
      },
    )
  return host
}

async function open(
  config: ServerConfig,
  url: string,
  told: Pick<OpenScoreOptions, 'onStoreFailure' | 'onDecision' | 'onStoreCall' | 'onSongCall'>,
  { now, env }: CommandContext,
): Promise<OpenedScore> {
  const { openScore, proxiesOfEnvironment } = await import('../../src/index.ts')
  const proxies = proxiesOfEnvironment(env)
  return openScore(config, {
    url,
    now,
    ...(proxies ? { network: { proxies } } : {}),
    userAgent: `score-sdk/${packageVersion()}`,
    ...told,
  })
}

/** Tries everything that the configuration names. @returns 0, or 2 when something is wrong. */
export async function checkConfigured({ config, findings }: ServerConfigResult, fix: boolean, context: CommandContext): Promise<number> {
  const { output, signal } = context
  tellFindings(findings, context)
  hostOf(config)
  const told = { onStoreFailure: (error: Error): void => output.warn(`the store failed: ${error.message}`) }
  const score = await open(config, `http://127.0.0.1:${config.integer('server.port')}`, told, context)
  let wrong = 0
  try {
    for (const warning of score.warnings) output.warn(warning)
    for (const check of score.checks) {
      const { outcome, message } = await check.run({ fix, signal })
      if (outcome === 'bad') wrong += 1
      output.event({ type: 'check', name: check.name, outcome, message })
      if (!output.json) output.data(`${outcome.padEnd(5)}  ${check.name}: ${message}\n`)
    }
  } finally {
    await score.close()
  }
  output.event({ type: 'checked', checks: score.checks.length, wrong })
  output.say(wrong === 0 ? 'All is well.' : `${wrong} of ${score.checks.length} checks found something wrong.`)
  return wrong === 0 ? 0 : 2
}

/** Serves what the configuration says. */
export async function serveConfigured({ config, findings }: ServerConfigResult, values: Values, context: CommandContext): Promise<number> {
  const { output } = context
  tellFindings(findings, context)
  const prefix = config.text('server.servlet.context-path')
  const server = {
    host: hostOf(config),
    port: config.integer('server.port'),
    corsOrigins: config.list('server.cors.allowedOrigins'),
    catalogueReads: config.text('score.catalogue-reads') === 'token' ? ('token' as const) : ('open' as const),
    trustProxy: values.trustProxy,
    ...(prefix === undefined ? {} : { prefix }),
  }
  await serveUntilAborted(
    {
      open: (url, { ofScore }) => open(config, url, ofScore, context),
      server,
      observe: values,
      sweepSeconds: config.integer('upload.clean.intervalSeconds'),
      announce(url, score, more) {
        for (const warning of score.warnings) output.warn(warning)
        const dataDir = config.text('score.data')
        const { tokenPath } = score
        output.event({
          type: 'ready',
          url,
          pid: process.pid,
          ...more,
          ...(dataDir ? { dataDir } : {}),
          ...(tokenPath ? { tokenFile: tokenPath } : {}),
        })
        output.say(`Score serves ${hasBucket(config) ? `bucket ${config.text('bucket.name.object')}` : dataDir} at ${url}`)
        output.say('Ready. Ctrl-C ends it.')
      },
    },
    context,
  )
  return 0
}
