import * as assert from 'uvu/assert'
import { describeReceipt, exitCodeOf, originalTotals, type TransferSummary } from '../../../adapters/cli/summary.ts'
import { type ProblemCode, problems, ScoreError, type TransferReceipt } from '../../../src/index.ts'
import { suite } from '../../support/suite.ts'

const receipt: TransferReceipt = {
  objectId: 'o',
  direction: 'download',
  name: '/d/a.bam',
  size: 3 * 1024 * 1024,
  md5: 'abc',
  verified: 'whole',
  skipped: false,
  partsMoved: 2,
  partsKept: 1,
  partsRechecked: 0,
  partsRepaired: 0,
  retries: 1,
  bytesMoved: 2 * 1024 * 1024,
  seconds: 2,
}

const summary = (done: number, failed: readonly ProblemCode[], notBegun = 0): TransferSummary => ({
  receipts: Array.from({ length: done }, () => receipt),
  failures: failed.map((code) => ({ objectId: 'o', name: 'n', error: new ScoreError(code, 'x') })),
  notBegun,
})

const codes: readonly { readonly name: string; readonly summary: TransferSummary; readonly code: number }[] = [
  { name: 'all done', summary: summary(2, []), code: 0 },
  { name: 'nothing to do', summary: summary(0, []), code: 0 },
  { name: 'the only one failed', summary: summary(0, ['checksum-mismatch']), code: 6 },
  { name: 'all failed alike', summary: summary(0, ['unavailable', 'unavailable']), code: 7 },
  { name: 'all failed, each in its way', summary: summary(0, ['unavailable', 'checksum-mismatch']), code: 8 },
  { name: 'one of two', summary: summary(1, ['unavailable']), code: 8 },
  { name: 'stopped by what concerns all', summary: summary(0, ['unauthenticated'], 9), code: 3 },
]

suite('summary', (test) => {
  for (const row of codes) test(`${row.name}: ${row.code}`, () => assert.is(exitCodeOf(row.summary, problems), row.code))

  test('one line about a file', () => {
    assert.is(
      describeReceipt(receipt),
      'Downloaded /d/a.bam: 3.00 MiB in 2.0 s (1.00 MiB/s), 2 parts moved, 1 kept from an earlier run, 1 repeat, MD5 abc',
    )
  })

  test('the original’s totals', () => {
    assert.equal(originalTotals(receipt), [
      'Finalizing...',
      'Total execution time:         2.000 s',
      'Total bytes read    :       2,097,152',
      'Total bytes written :       2,097,152',
    ])
  })
})
