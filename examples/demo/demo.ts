import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, statfs } from 'node:fs/promises'
import { constants, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createScoreRunner, type ScoreRunner } from './score-process.ts'
import { tellStory } from './story.ts'

const usage = `npm run demo -- [--size MIB] [--keep DIR] [--cli FILE]

  --size MIB   size of the BAM file; default 256, least 100 (five parts of 20 MiB)
  --keep DIR   work in DIR, which must be empty, and leave everything there
  --cli FILE   the score program to run, such as dist/bin/score.js; default: from source
`
const leastMebibytes = 100
/** The BAM itself, its parts and the joined object in the store, and the download. */
const spaceFactor = 4

interface DemoSettings {
  readonly mebibytes: number
  readonly keep?: string
  readonly cli: string
}

const sourceCli = fileURLToPath(new URL('../../adapters/cli/score.ts', import.meta.url))

function readSettings(argv: readonly string[]): DemoSettings | undefined {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      size: { type: 'string', default: '256' },
      keep: { type: 'string' },
      cli: { type: 'string', default: sourceCli },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  const mebibytes = Number(values.size)
  if (!Number.isInteger(mebibytes) || mebibytes < leastMebibytes)
    throw new Error(`--size ${values.size}: a whole number of MiB is needed, at least ${leastMebibytes}`)
  const cli = resolve(values.cli)
  if (!existsSync(cli)) throw new Error(`--cli ${values.cli}: there is no such file; 'npm run build' makes dist/bin/score.js`)
  return { mebibytes, cli, ...(values.keep !== undefined && { keep: resolve(values.keep) }) }
}

async function prepareFolder({ keep, mebibytes }: DemoSettings): Promise<string> {
  if (keep !== undefined) {
    await mkdir(keep, { recursive: true })
    if ((await readdir(keep)).length > 0) throw new Error(`--keep ${keep}: the folder is not empty; name another one`)
  }
  const parent = keep ?? tmpdir()
  const { bavail, bsize } = await statfs(parent)
  const needed = mebibytes * spaceFactor
  const free = Math.floor((bavail * bsize) / 2 ** 20)
  if (free < needed)
    throw new Error(
      `${parent} has ${free} MiB free, the demo needs ${needed} MiB; choose a smaller --size, --keep DIR on another disk, or set TMPDIR`,
    )
  return keep ?? (await mkdtemp(join(parent, 'score-demo-')))
}

/** Nothing of the caller's own Score settings reaches the CLI, and it writes below `folder` only. */
function demoRunner(folder: string, cli: string): ScoreRunner {
  const { PATH, TMPDIR, SystemRoot } = process.env
  return createScoreRunner({
    nodeArguments: cli.endsWith('.ts') ? ['--import', import.meta.resolve('tsx'), cli] : [cli],
    cwd: folder,
    environment: {
      PATH,
      ...(TMPDIR !== undefined && { TMPDIR }),
      ...(SystemRoot !== undefined && { SystemRoot }),
      HOME: folder,
      NO_COLOR: '1',
    },
  })
}

const goOn = (keep: string | undefined): string => `
How to go on
  npx score serve --data ./score-data                          your own server, on port 5431
  npx score upload --study DEMO my.bam my.bam.bai              in a second terminal: register, upload, publish
  npx score ls                                                 what is there
  npx score download --object-id ID --output-dir .             fetch it, on this or another machine
${keep === undefined ? '  npm run demo -- --keep ./demo                                the same with all files left to look at' : `  npx score serve --data ${join(keep, 'data')}   the demo's own server again`}
`

async function run(settings: DemoSettings, signal: AbortSignal): Promise<void> {
  const started = performance.now()
  const say = (line: string): void => console.log(line)
  const folder = await prepareFolder(settings)
  say(`Score SDK demo: a BAM of ${settings.mebibytes} MiB goes to a server and back; both ways are killed in the middle\n`)
  const score = demoRunner(folder, settings.cli)
  const stop = (): void => void score.stopAll()
  signal.addEventListener('abort', stop, { once: true })
  try {
    await tellStory({ score, folder, bamBytes: settings.mebibytes * 2 ** 20, say, signal })
  } finally {
    await score.stopAll()
    if (settings.keep === undefined) await rm(folder, { recursive: true, force: true })
  }
  say(
    `Done       in ${((performance.now() - started) / 1000).toFixed(0)} s; ${settings.keep === undefined ? 'everything is removed again' : `everything is in ${folder}`}`,
  )
  console.log(goOn(settings.keep))
}

/** Exit codes: 0 all promises held, 1 one did not, 2 bad options, 129, 130 and 143 interrupted. */
async function main(): Promise<void> {
  const interrupt = new AbortController()
  const onSignal = (name: NodeJS.Signals): void => {
    process.exitCode = 128 + constants.signals[name]
    interrupt.abort(new Error(`interrupted by ${name}`))
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  process.on('SIGHUP', onSignal)
  let settings: DemoSettings | undefined
  try {
    settings = readSettings(process.argv.slice(2))
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`)
    process.exitCode = 2
    return
  }
  if (settings === undefined) {
    console.log(usage)
    return
  }
  try {
    await run(settings, interrupt.signal)
  } catch (error) {
    const reason: unknown = interrupt.signal.aborted ? interrupt.signal.reason : error
    console.error(`The demo failed: ${reason instanceof Error ? reason.message : String(reason)}`)
    process.exitCode ??= 1
  }
}

await main()
