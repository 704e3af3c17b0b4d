import assert from 'node:assert/strict'
import { md5Hex } from '../core/checksum.ts'
import type { SignedPart } from '../core/object-spec.ts'
import { type CaseDefinition, expectProblem } from './contract-case.ts'
import type { ScoreBench } from './score-subject.ts'

const unknownId = 'ffffffff-ffff-4fff-8fff-ffffffffffff'

const life: readonly CaseDefinition<ScoreBench>[] = [
  {
    name: 'an upload from beginning to end',
    async check(bench) {
      const objectId = await bench.registered()
      assert.equal(await bench.api.objectExists(objectId), false)
      const spec = await bench.fill(objectId)
      assert.deepEqual([spec.objectId, spec.size, spec.md5, spec.parts.length], [objectId, bench.body.length, bench.md5, 3])
      assert.deepEqual(
        spec.parts.map((part) => part.number),
        [1, 2, 3],
      )
      assert.equal(spec.parts[0]?.range.start, 0)
      assert.equal(spec.parts[2]?.range.end, bench.body.length)
      assert.equal(await bench.api.objectExists(objectId), false)
      await bench.api.finalizeUpload(spec)
      assert.equal(await bench.api.objectExists(objectId), true)
    },
  },
  {
    name: 'progress tells the parts that are held, with URLs for all',
    async check(bench) {
      const objectId = await bench.registered()
      const size = bench.body.length
      const spec = await bench.api.openUpload({ objectId, size, md5: bench.md5 })
      const receipt = await bench.sendPart(spec.parts[1] as SignedPart)
      await bench.api.finalizePart(spec, receipt)
      const progress = await bench.api.resumeUpload({ objectId, size })
      assert.deepEqual([progress.objectId, progress.uploadId], [objectId, spec.uploadId])
      assert.deepEqual(
        progress.parts.map((part) => part.md5),
        [undefined, receipt.md5, undefined],
      )
      for (const part of [progress.parts[0], progress.parts[2]] as SignedPart[])
        await bench.api.finalizePart(progress, await bench.sendPart(part))
      await bench.api.finalizeUpload(progress)
      assert.equal((await bench.api.describeObject(objectId)).md5, bench.md5)
    },
  },
  {
    name: 'a finish, a report and a forgotten part may be repeated',
    async check(bench) {
      const objectId = await bench.registered()
      const spec = await bench.api.openUpload({ objectId, size: bench.body.length, md5: bench.md5 })
      for (const part of spec.parts) {
        const receipt = await bench.sendPart(part)
        for (const _ of [1, 2]) await bench.api.finalizePart(spec, receipt)
      }
      for (const _ of [1, 2]) await bench.api.deletePart(spec, 1)
      await bench.api.finalizePart(spec, await bench.sendPart(spec.parts[0] as SignedPart))
      for (const _ of [1, 2]) await bench.api.finalizeUpload(spec)
    },
  },
  {
    name: 'a cancelled upload is gone, and can begin anew',
    async check(bench) {
      const objectId = await bench.registered()
      const spec = await bench.fill(objectId)
      await bench.api.cancelUpload(objectId)
      const size = bench.body.length
      await expectProblem(() => bench.api.resumeUpload({ objectId, size }), 'upload-not-found')
      await expectProblem(() => bench.api.cancelUpload(objectId), 'upload-not-found')
      await expectProblem(() => bench.api.finalizeUpload(spec), 'upload-not-found')
      await bench.api.finalizeUpload(await bench.fill(objectId))
    },
  },
  {
    name: 'beginning again ends the upload before',
    async check(bench) {
      const objectId = await bench.registered()
      const first = await bench.fill(objectId)
      const second = await bench.fill(objectId)
      assert.notEqual(first.uploadId, second.uploadId)
      await expectProblem(() => bench.api.finalizeUpload(first), 'upload-not-found')
      await bench.api.finalizeUpload(second)
    },
  },
]

const refusals: readonly CaseDefinition<ScoreBench>[] = [
  {
    name: 'an object that exists is replaced only when that is asked for',
    async check(bench) {
      const objectId = await bench.stored()
      const size = bench.body.length
      await expectProblem(() => bench.api.openUpload({ objectId, size, md5: bench.md5 }), 'object-exists')
      const spec = await bench.api.openUpload({ objectId, size, md5: bench.md5, overwrite: true })
      for (const part of spec.parts) await bench.api.finalizePart(spec, await bench.sendPart(part))
      await bench.api.finalizeUpload(spec)
    },
  },
  {
    name: 'nothing is uploaded into a published analysis',
    async check(bench) {
      const objectId = await bench.published()
      const size = bench.body.length
      await expectProblem(() => bench.api.openUpload({ objectId, size, overwrite: true }), 'analysis-state')
      await bench.unpublish(objectId)
      await bench.api.openUpload({ objectId, size, overwrite: true })
    },
  },
  {
    name: 'another size or MD5 than the registered one is refused',
    async check(bench) {
      const objectId = await bench.registered()
      const size = bench.body.length
      await expectProblem(() => bench.api.openUpload({ objectId, size: size + 1 }), 'size-changed')
      await expectProblem(() => bench.api.openUpload({ objectId, size, md5: md5Hex('another') }), 'checksum-mismatch')
    },
  },
  {
    name: 'impossible sizes and MD5s are refused',
    async check(bench) {
      const objectId = await bench.registered()
      for (const size of [0, -1]) await expectProblem(() => bench.api.openUpload({ objectId, size }), 'invalid-request')
      await expectProblem(() => bench.api.openUpload({ objectId, size: bench.body.length, md5: 'junk' }), 'invalid-request')
    },
  },
  {
    name: 'progress of another size, and of nothing, is refused',
    async check(bench) {
      const objectId = await bench.registered()
      const size = bench.body.length
      await expectProblem(() => bench.api.resumeUpload({ objectId, size }), 'upload-not-found')
      await bench.api.openUpload({ objectId, size })
      await expectProblem(() => bench.api.resumeUpload({ objectId, size: size + 1 }), 'size-changed')
    },
  },
  {
    name: 'a part that did not arrive is not taken, and an upload that lacks one does not finish',
    async check(bench) {
      const objectId = await bench.registered()
      const spec = await bench.api.openUpload({ objectId, size: bench.body.length })
      const { md5, etag } = await bench.sendPart(spec.parts[0] as SignedPart)
      await expectProblem(() => bench.api.finalizePart(spec, { number: 2, md5, etag }), 'part-mismatch')
      await expectProblem(() => bench.api.finalizePart(spec, { number: 1, md5, etag: md5Hex('another') }), 'part-mismatch')
      await bench.api.finalizePart(spec, { number: 1, md5, etag })
      await expectProblem(() => bench.api.finalizeUpload(spec), 'upload-incomplete')
    },
  },
  {
    name: 'uploads that never were are not found',
    async check(bench) {
      const objectId = await bench.registered()
      const upload = { objectId, uploadId: 'never-was' }
      const receipt = { number: 1, md5: md5Hex('x'), etag: md5Hex('x') }
      await expectProblem(() => bench.api.finalizePart(upload, receipt), 'upload-not-found')
      await expectProblem(() => bench.api.finalizeUpload(upload), 'upload-not-found')
      await bench.api.deletePart(upload, 1)
    },
  },
  {
    name: 'what the catalogue does not know cannot be uploaded',
    async check(bench) {
      for (const objectId of [unknownId, 'not-a-uuid'])
        await expectProblem(() => bench.api.openUpload({ objectId, size: 5 }), 'entity-not-found')
    },
  },
  {
    name: 'an aborted call rejects with its reason',
    async check(bench) {
      const objectId = await bench.registered()
      const reason = new Error('enough')
      await assert.rejects(bench.api.openUpload({ objectId, size: 5 }, { signal: AbortSignal.abort(reason) }), reason)
    },
  },
]

export const uploadCases: readonly CaseDefinition<ScoreBench>[] = [...life, ...refusals]
