import { stat } from 'node:fs/promises'
import type { DownloadTask, TransferReceipt, TransferTask } from '../../src/index.ts'
import type { CommandValues } from './command-run.ts'
import type { CommandContext } from './context.ts'
import type { DownloadPlan, DownloadTarget } from './download-plan.ts'
import { printable } from './format.ts'
import type { Session } from './session.ts'
import { requireSpace } from './space-check.ts'
import { exitCodeOf, report } from './summary.ts'
import { runOriginal, runTransfers } from './transfer-run.ts'

export interface Download {
  readonly values: CommandValues<'download'>
  readonly plan: DownloadPlan
  readonly directory: string
  readonly session: Session
}

export function hasRange({ offset, length }: CommandValues<'download'>): boolean {
  return offset !== 0 || length >= 0
}

function rangeOf(values: CommandValues<'download'>): DownloadTask['range'] {
  if (!hasRange(values)) return undefined
  const { offset, length } = values
  return length < 0 ? { start: offset } : { start: offset, end: offset + length }
}

// The original's name of a file while it grows, so that either client can go on with the other's download.
function workNameOf(target: DownloadTarget): string {
  return target.objectId
}

function taskOf(target: DownloadTarget, download: Download, strict: boolean): TransferTask {
  const { values } = download
  const range = rangeOf(values)
  return {
    download: {
      objectId: target.objectId,
      path: target.path,
      verify: values.validate ? 'auto' : 'none',
      overwrite: values.force,
      ifExists: 'skip',
      ...(range ? { range } : {}),
      ...(strict ? { workName: workNameOf(target) } : {}),
    },
  }
}

/** Those that are not there yet; the others are told about. */
async function missing(download: Download, context: CommandContext): Promise<DownloadTarget[]> {
  if (download.values.force) return [...download.plan.targets]
  const wanted: DownloadTarget[] = []
  for (const target of download.plan.targets) {
    if (await stat(target.path).catch(() => undefined)) {
      context.output.event({ type: 'skipped', objectId: target.objectId, path: target.path })
      context.output.say(`Download file '${printable(target.path)}' already exists and --force was not specified... not re-downloading it.`)
    } else wanted.push(target)
  }
  return wanted
}

async function downloadOriginal(wanted: readonly DownloadTarget[], download: Download, context: CommandContext): Promise<number> {
  const { output } = context
  const rule = '-'.repeat(output.columns)
  const run = { engine: download.session.engine(), concurrency: concurrencyOf(download.session) }
  for (const [index, target] of wanted.entries()) {
    const { objectId, fileName } = target
    for (const line of [rule, `[${index + 1}/${wanted.length}] Downloading object: ${objectId} (${printable(fileName)})`, rule])
      output.say(line)
    await runOriginal(taskOf(target, download, true), run, context)
  }
  return 0
}

function concurrencyOf(session: Session): number {
  return Math.max(1, session.config.integer('transport.parallel'))
}

/** Fetches what is not there yet into the places planned. */
export async function downloadTargets(download: Download, context: CommandContext): Promise<number> {
  const { values, directory, session, plan } = download
  const { output, now, signal, strict } = context
  const started = now()
  const wanted = await missing(download, context)
  const range = rangeOf(values)
  await requireSpace(
    {
      api: session.api(),
      targets: wanted,
      directory,
      workName: strict ? workNameOf : ({ objectId }) => `.${objectId}.partial`,
      ...(range ? { range } : {}),
    },
    { signal },
  )
  const [refused] = plan.refused
  if (strict && refused) throw refused.error
  if (strict) return downloadOriginal(wanted, download, context)
  const engine = session.engine()
  const run = { engine, concurrency: concurrencyOf(session), files: values.files, wait: values.wait }
  const tasks = wanted.map((target) => taskOf(target, download, false))
  const moved = await runTransfers(tasks, run, context)
  const summary = { ...moved, failures: [...plan.refused, ...moved.failures] }
  report(summary, (now() - started) / 1000, output)
  printPaths(summary.receipts, context)
  const { problems } = await import('../../src/index.ts')
  return exitCodeOf(summary, problems)
}

function printPaths(receipts: readonly TransferReceipt[], { output }: CommandContext): void {
  if (!output.json) for (const { objectId, name } of receipts) output.data(`${objectId}\t${name}\n`)
}
