import { randomUUID } from 'node:crypto'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import type { ScoreApi } from '../../src/api/score-api.ts'
import { md5Hex } from '../../src/core/checksum.ts'
import { ScoreError } from '../../src/core/errors.ts'
import type { ObjectSpec, SignedPart } from '../../src/core/object-spec.ts'
import { planParts } from '../../src/core/part-plan.ts'
import type { PartTransport } from '../../src/transfer/part-transport.ts'
import { createTransferEngine } from '../../src/transfer/transfer-engine.ts'
import { suite } from '../support/suite.ts'

const size = 2 ** 40
const md5 = md5Hex('the whole')

/** A terabyte that is only spoken of: every part arrives at once, without a byte. */
function imaginary(objectId: string): { api: ScoreApi; transport: PartTransport; fetched: () => number; failAt: (count: number) => void } {
  const plan = planParts({ start: 0, end: size })
  const longUrl = `https://store.example.org/bucket/data/${objectId}?X-Amz-Signature=${'a'.repeat(400)}`
  const spec = (): ObjectSpec<SignedPart> => ({
    objectId,
    objectKey: `data/${objectId}`,
    uploadId: 'u',
    size,
    md5,
    parts: plan.map((part) => ({ ...part, md5: md5Hex(String(part.number)), url: `${longUrl}${part.number}` })),
  })
  let fetched = 0
  let failAt = Number.POSITIVE_INFINITY
  const transport = {
    async fetchPart({ range, md5: expected }: { range: { start: number; end: number }; md5?: string }) {
      if (++fetched > failAt) throw new ScoreError('object-not-found', 'planned')
      return { bytes: range.end - range.start, md5: expected ?? '', etag: 'e' }
    },
    trailingHash: () => ({ done: () => undefined, digest: Promise.resolve(md5), hashedBytes: 0, cancel: () => undefined }),
    sync: async () => undefined,
    release: async () => undefined,
    close: async () => undefined,
  } as unknown as PartTransport
  return {
    api: { downloadSpec: async () => spec() } as unknown as ScoreApi,
    transport,
    fetched: () => fetched,
    failAt: (count) => {
      failAt = count
    },
  }
}

suite('ten thousand parts', (test) => {
  test('a terabyte is planned, broken off in the middle and gone on with, in little memory', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'score-many-'))
    try {
      const objectId = randomUUID()
      const service = imaginary(objectId)
      const engine = createTransferEngine({ api: service.api, transport: service.transport })
      const path = join(folder, 'huge')
      service.failAt(5000)
      const started = performance.now()
      await engine.download({ objectId, path }).then(
        () => assert.unreachable('it should have failed'),
        () => undefined,
      )
      assert.ok(service.fetched() < 5020)
      service.failAt(Number.POSITIVE_INFINITY)
      const before = service.fetched()
      const receipt = await engine.download({ objectId, path })
      assert.ok(receipt.partsKept + receipt.partsMoved > 9990)
      assert.ok(receipt.partsKept >= 5000)
      assert.is(service.fetched() - before, receipt.partsMoved)
      assert.is((await stat(path)).size, size)
      const seconds = (performance.now() - started) / 1000
      assert.ok(seconds < 60, `${seconds} s`)
      assert.ok(process.memoryUsage().rss < 300 * 2 ** 20, `${Math.round(process.memoryUsage().rss / 2 ** 20)} MiB`)
      await engine.close()
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})
