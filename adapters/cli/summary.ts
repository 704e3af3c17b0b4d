import type { ProblemCode, ScoreError, TransferManyResult, TransferReceipt } from '../../src/index.ts'
import { formatBytes, formatElapsed, formatRate, plural, printable } from './format.ts'
import type { Output } from './output.ts'

/** A file that was not moved, and why. */
export interface FailedFile {
  readonly objectId: string
  readonly name: string
  readonly error: ScoreError
}

/** What a set of transfers came to. */
export interface TransferSummary {
  readonly receipts: readonly TransferReceipt[]
  readonly failures: readonly FailedFile[]
  /** Files not begun because of a failure that concerned all. */
  readonly notBegun: number
}

/** Takes the outcomes of a set apart. */
export function summarise(result: TransferManyResult): TransferSummary {
  const receipts: TransferReceipt[] = []
  const failures: FailedFile[] = []
  for (const outcome of result.outcomes) {
    if (outcome.status === 'done') receipts.push(outcome.receipt)
    if (outcome.status !== 'failed') continue
    const { task, error } = outcome
    const name = 'download' in task ? task.download.path : 'path' in task.upload.from ? task.upload.from.path : task.upload.from.name
    failures.push({ objectId: 'download' in task ? task.download.objectId : task.upload.objectId, name, error })
  }
  return { receipts, failures, notBegun: result.notBegun }
}

/** 0 when all went well, the failure's own code when it is the only file or every one failed alike, 8 otherwise. */
export function exitCodeOf(summary: TransferSummary, exitCodes: Readonly<Record<ProblemCode, { readonly exitCode: number }>>): number {
  const codes = new Set(summary.failures.map(({ error }) => exitCodes[error.code].exitCode))
  const [only] = codes
  if (only === undefined) return 0
  return codes.size === 1 && summary.receipts.length === 0 ? only : 8
}

/** One line about a file that was moved. */
export function describeReceipt(receipt: TransferReceipt): string {
  const { direction, name, size, partsMoved, partsKept, seconds, bytesMoved, md5, retries } = receipt
  const kept = partsKept > 0 ? `, ${partsKept} kept from an earlier run` : ''
  const again = retries > 0 ? `, ${plural(retries, 'repeat')}` : ''
  const speed = seconds > 0 && bytesMoved > 0 ? ` (${formatRate(bytesMoved / seconds)})` : ''
  const digest = md5 === undefined ? '' : `, MD5 ${md5}`
  const verb = direction === 'upload' ? 'Uploaded' : 'Downloaded'
  return `${verb} ${printable(name)}: ${formatBytes(size)} in ${formatElapsed(seconds)}${speed}, ${plural(partsMoved, 'part')} moved${kept}${again}${digest}`
}

/** Tells of the failures and totals, for people or as the final JSON object. */
export function report(summary: TransferSummary, seconds: number, output: Output, extra: object = {}): void {
  const { receipts, failures, notBegun } = summary
  const bytes = receipts.reduce((total, receipt) => total + receipt.bytesMoved, 0)
  for (const { objectId, name, error } of failures) {
    output.event({ type: 'failed', objectId, path: name, code: error.code, message: error.message })
    output.error(`${printable(name)}: ${error.message}`)
  }
  if (notBegun > 0) output.warn(`${plural(notBegun, 'file')} not begun after that`)
  output.event({
    type: 'summary',
    ...extra,
    files: receipts.map(({ name, size, ...receipt }) => ({ ...receipt, path: name, bytes: size })),
    failed: failures.length,
    notBegun,
    bytes,
    seconds,
  })
  if (receipts.length + failures.length > 1)
    output.say(
      `${receipts.length} of ${plural(receipts.length + failures.length + notBegun, 'file')} done: ${formatBytes(bytes)} in ${formatElapsed(seconds)}${seconds > 0 && bytes > 0 ? ` (${formatRate(bytes / seconds)})` : ''}`,
    )
}

/** The original's three lines after a transfer (score-client.md 8). */
export function originalTotals(receipt: TransferReceipt): readonly string[] {
  const { seconds, bytesMoved, direction } = receipt
  const pad = (text: string): string => text.padStart(15)
  const bytes = bytesMoved.toLocaleString('en-US')
  return [
    'Finalizing...',
    `Total execution time: ${pad(`${seconds.toFixed(3)} s`)}`,
    `Total bytes read    : ${pad(direction === 'download' ? bytes : '0')}`,
    `Total bytes written : ${pad(bytes)}`,
  ]
}
