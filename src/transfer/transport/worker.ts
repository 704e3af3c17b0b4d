import { getPriority, setPriority } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import { ScoreError } from '../../core/errors.ts'
import { createByteReports } from './byte-reports.ts'
import { createOpenFiles } from './open-files.ts'
import { createPartRunner, type PartRunnerOptions } from './part-runner.ts'
import { failureOf, type Order, type Report, type Task, type TaskResults } from './thread-messages.ts'
import { createTrailingMd5, type TrailingMd5 } from './trailing-md5.ts'

/** Entry of a worker thread: runs the tasks it is sent, several at once. */
const port = parentPort
if (!port) throw new ScoreError('internal', 'this file is the entry of a worker thread; it is not meant to be imported')

const { yields, ...options } = workerData as Omit<PartRunnerOptions, 'blocking'> & { readonly yields: boolean }
const runner = createPartRunner({ ...options, blocking: true })
const hashedFiles = createOpenFiles({ blocking: true })
const aborts = new Map<number, AbortController>()
const trails = new Map<number, TrailingMd5>()

function report(message: Report): void {
  port?.postMessage(message)
}

/**
 * For a mover that is started while a whole file is hashed: one notch below the thread that hashes, which with as many
 * movers as processors falls behind and ends alone (docs/decisions/0021). Linux keeps priorities by thread; elsewhere this
 * would slow the whole process.
 */
function yieldToHash(): void {
  if (!yields || process.platform !== 'linux') return
  const priority = getPriority()
  if (priority < 19) setPriority(priority + 1)
}

yieldToHash()

async function trail(id: number, task: Task & { readonly type: 'trail' }, signal: AbortSignal): Promise<string> {
  const hashed = new BigInt64Array(task.hashed)
  const { path, partEnds } = task
  const trailing = createTrailingMd5({
    path,
    partEnds,
    files: hashedFiles,
    onHashed: (bytes) => void Atomics.store(hashed, 0, BigInt(bytes)),
  })
  signal.addEventListener('abort', () => trailing.cancel())
  trails.set(id, trailing)
  return trailing.digest.finally(() => trails.delete(id))
}

async function run(id: number, task: Task, signal: AbortSignal): Promise<TaskResults[Task['type']]> {
  if (task.type === 'hash') return runner.hashRange(task.path, task.range, signal)
  if (task.type === 'trail') return trail(id, task, signal)
  if (task.type === 'sync') return void (await runner.sync(task.path))
  if (task.type === 'release') return void (await Promise.all([runner.release(task.path), hashedFiles.release(task.path)]))
  const bytes = createByteReports((count) => report({ id, bytes: count }))
  const attempt = { signal, onBytes: bytes.add }
  const moving =
    task.type === 'fetch'
      ? runner.fetchPart(task.part, attempt)
      : runner.sendPart(task.part, { ...attempt, expectContinue: task.expectContinue })
  return moving.finally(bytes.flush)
}

async function take(id: number, task: Task): Promise<void> {
  const abort = new AbortController()
  aborts.set(id, abort)
  try {
    report({ id, result: await run(id, task, abort.signal) })
  } catch (error) {
    report({ id, failure: failureOf(error) })
  } finally {
    aborts.delete(id)
  }
}

port.on('message', (order: Order) => {
  if ('task' in order) void take(order.id, order.task)
  else if ('abort' in order) aborts.get(order.id)?.abort(new ScoreError('internal', 'the task was given up'))
  else trails.get(order.id)?.done(order.partIndex)
})
