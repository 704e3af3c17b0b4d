import * as assert from 'uvu/assert'
import { isScoreError } from '../../src/core/errors.ts'
import { decodeBamHeader, encodeBamHeader } from '../../src/formats/bam-header.ts'
import { suite } from '../support/suite.ts'
import { fixtureHeader } from './bam-fixture.ts'

function refused(bytes: Uint8Array, says: RegExp): void {
  assert.throws(
    () => decodeBamHeader(bytes, 'x.bam'),
    (error: unknown) => isScoreError(error, 'invalid-format') && says.test(error.message) && error.message.startsWith('x.bam: '),
  )
}

function patched(at: number, value: number): Uint8Array {
  const bytes = Buffer.from(encodeBamHeader(fixtureHeader))
  bytes.writeInt32LE(value, at)
  return bytes
}

const textEnd = 8 + Buffer.byteLength(fixtureHeader.text)

suite('BAM header', (test) => {
  test('round trip; bytes behind it do not matter', () => {
    const bytes = encodeBamHeader(fixtureHeader)
    assert.equal(decodeBamHeader(Buffer.concat([bytes, Buffer.from('more')])), { header: fixtureHeader, length: bytes.length })
    const none = { text: '', references: [] }
    assert.equal(decodeBamHeader(encodeBamHeader(none)), { header: none, length: 12 })
    const many = { text: '@CO\tbéta\n', references: Array.from({ length: 100_000 }, (_, at) => ({ name: `c${at}`, length: at })) }
    assert.equal(decodeBamHeader(encodeBamHeader(many))?.header, many)
  })

  test('every beginning of it asks for more bytes', () => {
    const bytes = encodeBamHeader(fixtureHeader)
    for (let length = 0; length < bytes.length; length += 1)
      assert.is(decodeBamHeader(bytes.subarray(0, length)), undefined, `${length} bytes`)
  })

  test('NULs behind the text are padding', () => {
    const padded = Buffer.concat([Buffer.from(encodeBamHeader({ text: '@HD\tVN:1.6\n', references: [] })).subarray(0, 19), Buffer.alloc(9)])
    padded.writeInt32LE(11 + 5, 4)
    assert.is(decodeBamHeader(padded)?.header.text, '@HD\tVN:1.6\n')
  })

  test('what is no header is refused', () => {
    refused(Buffer.from('@HD\tVN:1.6\n'), /not a BAM file/)
    refused(Buffer.from('CRAM'), /not a BAM file/)
    refused(patched(4, -1), /-1 for its text length/)
    refused(patched(textEnd, -5), /-5 for its number of references/)
    refused(patched(textEnd + 4, 0), /does not end with NUL/)
    refused(patched(textEnd + 4, 3), /does not end with NUL/)
    refused(patched(textEnd + 13, -2), /-2 for its reference length/)
  })

  test('what BAM cannot hold is refused before it is written', () => {
    for (const reference of [
      { name: '', length: 5 },
      { name: 'chr1', length: 2 ** 31 },
      { name: 'chr1', length: -1 },
      { name: 'chr1', length: 1.5 },
    ])
      assert.throws(
        () => encodeBamHeader({ text: '', references: [reference] }),
        (error: unknown) => isScoreError(error, 'invalid-request'),
      )
  })
})
