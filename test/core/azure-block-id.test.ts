import { randomBytes, randomUUID } from 'node:crypto'
import * as assert from 'uvu/assert'
import {
  azureBeginning,
  azureEnding,
  completeAzureBlockUrl,
  fitsAzureBlockIds,
  formatAzureBlockId,
  isAzureUploadId,
  parseAzureBlockId,
} from '../../src/core/azure-block-id.ts'
import { md5Hex } from '../../src/core/checksum.ts'
import { isScoreError } from '../../src/core/errors.ts'
import { suite } from '../support/suite.ts'

const uploadId = '5be58fbb-775b-4259-bbbd-555e07fbdf24'
const md5 = md5Hex('bytes')

suite('core/azure-block-id', (test) => {
  test('what is written is read back, whatever the numbers', () => {
    for (const partNumber of [azureBeginning, 1, 255, 256, 10_000, 50_000, azureEnding])
      for (const sentAt of [0, 1, Date.UTC(2026, 10, 24), Number.MAX_SAFE_INTEGER]) {
        const block = { uploadId: randomUUID(), partNumber, sentAt, md5: randomBytes(16).toString('hex') }
        assert.equal(parseAzureBlockId(formatAzureBlockId(block)), block)
      }
  })

  test('without its MD5 a block has none', () => {
    assert.equal(parseAzureBlockId(formatAzureBlockId({ uploadId, partNumber: 7, sentAt: 0 })), { uploadId, partNumber: 7, sentAt: 0 })
  })

  test('a name is as long as those of the client of the original, and so stands beside them', () => {
    const theirs = Buffer.from(`${uploadId}-000007`).toString('base64')
    const ours = formatAzureBlockId({ uploadId, partNumber: 7, sentAt: 5, md5 })
    assert.is(Buffer.from(ours, 'base64').length, Buffer.from(theirs, 'base64').length)
    assert.ok(fitsAzureBlockIds(theirs))
    assert.ok(fitsAzureBlockIds(ours))
    assert.is(parseAzureBlockId(theirs), undefined)
    assert.not.ok(fitsAzureBlockIds(Buffer.from('x'.repeat(48)).toString('base64')))
  })

  test('names of other programs are none of ours', () => {
    for (const name of ['', 'AAAA', Buffer.alloc(43).toString('base64'), Buffer.alloc(42, 1).toString('base64'), 'no base64 at all!'])
      assert.is(parseAzureBlockId(name), undefined, name)
  })

  test('upload ids are UUIDs, in lower case', () => {
    assert.ok(isAzureUploadId(uploadId))
    for (const text of ['', 'never-was', uploadId.toUpperCase(), `${uploadId}0`, uploadId.replaceAll('-', '')])
      assert.not.ok(isAzureUploadId(text), text)
  })

  test('the URL of a part is told what is sent to it, and keeps all else to the letter', () => {
    const name = formatAzureBlockId({ uploadId, partNumber: 3, sentAt: 0 })
    for (const [before, after] of [
      ['https://a.test/data/x?sv=2020-12-06&sig=a%2Bb%3D&comp=block&', ''],
      ['https://a.test/data/x?', '&comp=block&sig=a%2Bb%3D'],
    ] as const) {
      const url = completeAzureBlockUrl(`${before}blockid=${encodeURIComponent(name)}${after}`, { md5, sentAt: 99 })
      assert.is(url.slice(0, before.length), before)
      assert.ok(url.endsWith(after))
      const block = parseAzureBlockId(new URL(url).searchParams.get('blockid') ?? '')
      assert.equal(block, { uploadId, partNumber: 3, sentAt: 99, md5 })
    }
  })

  test('a URL without a name of ours is refused, its signature unsaid', () => {
    for (const query of ['', '?sig=secret', '?sig=secret&blockid=AAAA', '?sig=secret&myblockid=AAAA']) {
      try {
        completeAzureBlockUrl(`https://a.test/data/x${query}`, { md5, sentAt: 1 })
        assert.unreachable()
      } catch (error) {
        assert.ok(isScoreError(error, 'store-protocol'), String(error))
        assert.not.match(String(error), /secret/)
      }
    }
  })
})
