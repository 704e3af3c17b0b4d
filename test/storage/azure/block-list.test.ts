import * as assert from 'uvu/assert'
import { azureBeginning, azureEnding, formatAzureBlockId } from '../../../src/core/azure-block-id.ts'
import { md5Hex } from '../../../src/core/checksum.ts'
import { type BlockList, readBlockList } from '../../../src/storage/azure/block-list.ts'
import { suite } from '../../support/suite.ts'

const one = '5be58fbb-775b-4259-bbbd-555e07fbdf24'
const two = '632c29af-c46e-481b-ab43-65e875d86361'
const begin = (uploadId: string) => block(uploadId, azureBeginning)
const end = (uploadId: string) => block(uploadId, azureEnding)

function block(uploadId: string, partNumber: number, content?: string, sentAt = 0) {
  const md5 = content === undefined ? {} : { md5: md5Hex(content) }
  return { name: formatAzureBlockId({ uploadId, partNumber, sentAt, ...md5 }), size: content?.length ?? 1 }
}

function partsOf(list: BlockList, uploadId: string): unknown {
  return list.uploads.get(uploadId)?.map(({ number, etag, size }) => [number, etag, size])
}

suite('storage/azure block list', (test) => {
  test('parts of each upload, ascending, whatever the order of the list', () => {
    const list = readBlockList([
      block(one, 300, 'c'),
      begin(two),
      block(one, 2, 'bb'),
      begin(one),
      block(two, 1, 'x'),
      block(one, 10, 'ccc'),
    ])
    assert.equal(partsOf(list, one), [
      [2, md5Hex('bb'), 2],
      [10, md5Hex('ccc'), 3],
      [300, md5Hex('c'), 1],
    ])
    assert.equal(partsOf(list, two), [[1, md5Hex('x'), 1]])
    assert.equal([list.count, list.foreign], [6, false])
  })

  test('an upload is there from its beginning to its end', () => {
    assert.equal(partsOf(readBlockList([begin(one)]), one), [])
    assert.is(partsOf(readBlockList([block(one, 1, 'x')]), one), undefined)
    assert.is(partsOf(readBlockList([begin(one), block(one, 1, 'x'), end(one)]), one), undefined)
    assert.is(partsOf(readBlockList([end(one), begin(one)]), one), undefined)
  })

  test('of two blocks of one part the one sent later counts, whichever is listed first', () => {
    const [old, young] = [block(one, 1, 'old', 5), block(one, 1, 'young', 6)]
    for (const order of [
      [old, young],
      [young, old],
    ])
      assert.equal(partsOf(readBlockList([begin(one), ...order]), one), [[1, md5Hex('young'), 5]])
  })

  test('a block that does not say what it holds proves nothing', () => {
    assert.equal(partsOf(readBlockList([begin(one), block(one, 1)]), one), [])
  })

  test('blocks of other programs are counted, and named where they exclude ours', () => {
    const java = { name: Buffer.from(`${one}-000001`).toString('base64'), size: 9 }
    const other = { name: Buffer.from('block-1').toString('base64'), size: 9 }
    assert.equal(readBlockList([java]).foreign, false)
    const list = readBlockList([java, other])
    assert.equal([list.count, list.foreign, list.uploads.size], [2, true, 0])
  })
})
