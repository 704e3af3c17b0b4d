import type { TransferEngine, TransferManyResult, TransferReceipt, TransferTask } from '../../src/index.ts'
import type { CommandContext } from './context.ts'
import { createProgressView } from './progress-view.ts'
import { describeReceipt, originalTotals, summarise, type TransferSummary } from './summary.ts'

export interface TransferRun {
  readonly engine: TransferEngine
  readonly concurrency: number
  /** Files at once. */
  readonly files?: number | undefined
  readonly wait?: boolean
}

/** Moves a set of files with one progress display; failures are collected. */
export async function runTransfers(tasks: readonly TransferTask[], run: TransferRun, context: CommandContext): Promise<TransferSummary> {
  const { output, now, signal } = context
  const view = createProgressView({ output, now, objects: tasks.length })
  let result: TransferManyResult
  try {
    result = await run.engine.transferMany(tasks, {
      signal,
      concurrency: run.concurrency,
      progress: view.sink,
      waitForLock: run.wait ?? false,
      ...(run.files === undefined ? {} : { files: run.files }),
      onOutcome: (outcome) => {
        if (outcome.status === 'done') output.say(describeReceipt(outcome.receipt))
      },
    })
  } finally {
    view.stop()
  }
  const refused = result.outcomes.some((outcome) => outcome.status === 'failed' && outcome.error.code === 'unauthenticated')
  if (refused) output.say('What was moved is kept: with a new token the same command goes on from there.')
  return summarise(result)
}

/** Moves one file as `score-client` does: the first failure ends the command. */
export async function runOriginal(task: TransferTask, run: TransferRun, context: CommandContext): Promise<TransferReceipt> {
  const { output, now, signal } = context
  const view = createProgressView({ output, now, objects: 1 })
  const wishes = { signal, concurrency: run.concurrency, progress: view.sink }
  let receipt: TransferReceipt
  try {
    receipt = 'upload' in task ? await run.engine.upload(task.upload, wishes) : await run.engine.download(task.download, wishes)
  } finally {
    view.stop()
  }
  for (const line of originalTotals(receipt)) output.say(line)
  return receipt
}
