import * as assert from 'uvu/assert'
import type { Part } from '../../src/core/object-spec.ts'
import { createPresignService } from '../../src/objects/presign-service.ts'
import { createMemoryBackend } from '../../src/storage/memory/backend.ts'
import { suite } from '../support/suite.ts'

const parts: readonly Part[] = Array.from({ length: 10_000 }, (_, index) => ({
  number: index + 1,
  range: { start: index * 10, end: index * 10 + 10 },
}))

suite('objects/presign-service', (test) => {
  const presign = createPresignService({ backend: createMemoryBackend() })
  const address = { bucket: 'objects', key: 'data/a' }

  const signings = {
    uploads: async () => presign.signUpload({ ...address, uploadId: 'u' }, parts),
    downloads: async () => presign.signDownload(address, parts),
  }
  for (const [name, sign] of Object.entries(signings))
    test(`${name}: ten thousand parts are signed in order, and others get their turn between them`, async () => {
      let turns = 0
      let done = false
      const count = (): void => {
        turns += 1
        if (!done) setImmediate(count)
      }
      setImmediate(count)
      const signed = await sign()
      done = true
      assert.equal(
        signed.map(({ number }) => number),
        parts.map(({ number }) => number),
      )
      assert.is(new Set(signed.map(({ url }) => url)).size, parts.length)
      assert.ok(turns >= 19, `${turns} turns of the event loop`)
    })
})
