import { rm } from 'node:fs/promises'
import { constants } from 'node:os'
import { join } from 'node:path'
import { type DemoSettings, prepareFolder, readSettings, usage } from './demo-settings.ts'
import { createScoreRunner, type ScoreRunner } from './score-process.ts'
import { tellStory } from './story.ts'

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
