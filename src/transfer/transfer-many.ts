import { type ProblemCode, type ScoreError, toScoreError } from '../core/errors.ts'
import { runPool } from '../core/pool.ts'
import { errnoOf } from '../files/file-error.ts'
import type { TransferManyOptions, TransferManyResult, TransferOutcome, TransferReceipt, TransferTask } from './transfer-task.ts'

/** Files in progress at once; more only share the connections thinner (transfer.md 6). */
export const defaultFiles = 4
const judgedAfter = 20

/** Failures that will most likely meet every other file as well. */
const common: ReadonlySet<ProblemCode> = new Set(['unauthenticated', 'access-denied', 'local-storage', 'unavailable'])
const wholeDisk: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EIO'])

/** Failures that meet every other file for certain: no rights at all, no room. */
function isCertain(error: ScoreError): boolean {
  if (error.code === 'unauthenticated' || error.code === 'invalid-configuration') return true
  return error.code === 'local-storage' && wholeDisk.has(errnoOf(error.cause) ?? '')
}

/** Tells when going on with further files is of no use: a certain failure, or the same one for most of the first files. */
function createJudge(): (outcome: TransferOutcome) => ScoreError | undefined {
  const counts = new Map<ProblemCode, number>()
  let seen = 0
  return (outcome) => {
    seen++
    if (outcome.status !== 'failed') return undefined
    const { code } = outcome.error
    if (isCertain(outcome.error)) return outcome.error
    if (!common.has(code) || seen > judgedAfter) return undefined
    const count = (counts.get(code) ?? 0) + 1
    counts.set(code, count)
    return count > judgedAfter / 2 ? outcome.error : undefined
  }
}

/** Several transfers, `files` at a time. @throws only the signal's reason. */
export async function transferMany(
  tasks: readonly TransferTask[],
  options: TransferManyOptions,
  run: (task: TransferTask, order: number, signal: AbortSignal) => Promise<TransferReceipt>,
): Promise<TransferManyResult> {
  const { signal = new AbortController().signal, files = defaultFiles, onOutcome } = options
  const outcomes = tasks.map((task): TransferOutcome => ({ task, status: 'not-begun' }))
  const judge = createJudge()
  let stoppedBy: ScoreError | undefined
  const one = async ([order, task]: readonly [number, TransferTask]): Promise<void> => {
    if (stoppedBy) return
    const outcome = await attempt(task, order)
    outcomes[order] = outcome
    stoppedBy ??= judge(outcome)
    onOutcome?.(outcome)
  }
  const attempt = async (task: TransferTask, order: number): Promise<TransferOutcome> => {
    try {
      return { task, status: 'done', receipt: await run(task, order, signal) }
    } catch (error) {
      signal.throwIfAborted()
      return { task, status: 'failed', error: toScoreError(error) }
    }
  }
  await runPool(tasks.entries(), one, { concurrency: files, signal })
  const count = (status: TransferOutcome['status']): number => outcomes.filter((outcome) => outcome.status === status).length
  return {
    outcomes,
    done: count('done'),
    failed: count('failed'),
    notBegun: count('not-begun'),
    ...(stoppedBy ? { stoppedBy } : {}),
  }
}
