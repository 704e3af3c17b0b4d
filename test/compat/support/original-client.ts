import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Folder with the original's jar files, unpacked; the compat suite runs only where `SCORE_ORIGINAL` names it. */
export const originalFolder = process.env['SCORE_ORIGINAL'] ?? ''

/** Why this of the original's programs cannot be run here, or undefined when it can. */
export function missingOriginal(name = 'score-client.jar'): string | undefined {
  if (originalFolder === '') return "SCORE_ORIGINAL does not name the folder of the original's programs"
  const jar = join(originalFolder, name)
  return existsSync(jar) ? undefined : `SCORE_ORIGINAL: there is no ${jar}`
}

export interface ClientSettings {
  readonly storageUrl: string
  readonly metadataUrl: string
  /** Empty for none. */
  readonly token: string
  readonly cwd: string
  /** Further settings, such as `TRANSPORT_PARALLEL`. */
  readonly env?: Readonly<Record<string, string>>
}

export interface ClientRun {
  /** Exit code, or null when it was killed. */
  readonly code: number | null
  readonly stdout: string
  /** Without the padding that clears a terminal's line. */
  readonly stderr: string
}

export interface RunningClient {
  readonly finished: Promise<ClientRun>
  kill(): void
}

// Quick to start and small; the original's own flags beside it.
const javaFlags = [
  '-XX:TieredStopAtLevel=1',
  '-XX:+UseSerialGC',
  '-Xmx1g',
  '--add-opens=java.base/jdk.internal.ref=ALL-UNNAMED',
  '--add-opens=java.base/java.nio=ALL-UNNAMED',
]

const logback = `<configuration>
  <appender name="ERR" class="ch.qos.logback.core.ConsoleAppender"><target>System.err</target><encoder><pattern>%msg%n</pattern></encoder></appender>
  <root level="OFF"><appender-ref ref="ERR"/></root>
</configuration>
`

async function outcome(child: ChildProcess): Promise<ClientRun> {
  const texts = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      texts[name] += text
    })
  }
  const code = await new Promise<number | null>((done, fail) => {
    child.once('error', fail)
    child.once('close', done)
  })
  return { code, stdout: texts.stdout, stderr: texts.stderr.replace(/\r +\r?/g, '\n').replaceAll('\r', '\n') }
}

/** Starts the original's client, as its own launcher would, with `args` such as `['upload', '--file', …]`. */
export function startOriginal(args: readonly string[], settings: ClientSettings): RunningClient {
  const log = join(settings.cwd, '.logback.xml')
  writeFileSync(log, logback)
  const child = spawn('java', [...javaFlags, `-Dlogging.config=${log}`, '-jar', join(originalFolder, 'score-client.jar'), ...args], {
    cwd: settings.cwd,
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: settings.cwd,
      STORAGE_URL: settings.storageUrl,
      METADATA_URL: settings.metadataUrl,
      ACCESSTOKEN: settings.token,
      ...settings.env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  return { finished: outcome(child), kill: () => void child.kill('SIGKILL') }
}
