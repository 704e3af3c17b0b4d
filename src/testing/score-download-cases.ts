import assert from 'node:assert/strict'
import { md5Hex } from '../core/checksum.ts'
import type { SignedPart } from '../core/object-spec.ts'
import { type CaseDefinition, collect, expectProblem } from './contract-case.ts'
import type { ScoreBench } from './score-subject.ts'

const unknownId = 'ffffffff-ffff-4fff-8fff-ffffffffffff'

function send(bench: ScoreBench, url: string, init: RequestInit = {}): Promise<Response> {
  return (bench.send ?? fetch)(url, init)
}

export const downloadCases: readonly CaseDefinition<ScoreBench>[] = [
  {
    name: 'a whole object, with the parts as uploaded',
    async check(bench) {
      const objectId = await bench.published()
      const spec = await bench.api.downloadSpec({ objectId })
      assert.deepEqual([spec.objectId, spec.size, spec.md5], [objectId, bench.body.length, bench.md5])
      assert.deepEqual(
        spec.parts.map((part) => part.md5),
        spec.parts.map((part) => md5Hex(bench.body.subarray(part.range.start, part.range.end))),
      )
      assert.deepEqual(await bench.fetchParts(spec.parts), bench.body)
    },
  },
  {
    name: 'ranges of an object',
    async check(bench) {
      const objectId = await bench.published()
      const size = bench.body.length
      for (const [start, end] of [
        [0, 1],
        [5, size - 5],
        [size - 1, undefined],
      ] as const) {
        const spec = await bench.api.downloadSpec({ objectId, range: end === undefined ? { start } : { start, end } })
        assert.deepEqual([spec.size, spec.md5, spec.parts[0]?.range.start], [(end ?? size) - start, undefined, start])
        assert.deepEqual(await bench.fetchParts(spec.parts), bench.body.subarray(start, end))
      }
      for (const range of [{ start: size }, { start: 7, end: 7 }]) {
        const { size: none, parts } = await bench.api.downloadSpec({ objectId, range })
        assert.deepEqual([none, parts], [0, []])
      }
    },
  },
  {
    name: 'ranges that do not lie in the object are refused',
    async check(bench) {
      const objectId = await bench.published()
      const size = bench.body.length
      for (const range of [{ start: -1, end: 5 }, { start: 0, end: size + 1 }, { start: size + 1 }])
        await expectProblem(() => bench.api.downloadSpec({ objectId, range }), 'invalid-range')
    },
  },
  {
    name: 'a signed part gives its own range only',
    async check(bench) {
      const objectId = await bench.published()
      const { parts } = await bench.api.downloadSpec({ objectId })
      const answer = await send(bench, (parts[0] as SignedPart).url, { headers: { range: 'bytes=0-0' } })
      await answer.arrayBuffer()
      assert.equal(answer.status, 403)
    },
  },
  {
    name: 'one URL for the whole object takes any range',
    async check(bench) {
      const objectId = await bench.published()
      const { url, md5, expiresAt } = await bench.api.objectUrl(objectId)
      assert.equal(md5, bench.md5)
      assert.ok(expiresAt instanceof Date)
      const answer = await send(bench, url, { headers: { range: 'bytes=3-9' } })
      assert.deepEqual(Buffer.from(await answer.arrayBuffer()), bench.body.subarray(3, 10))
    },
  },
  {
    name: 'what is not published is not given out, only described',
    async check(bench) {
      const objectId = await bench.stored('open')
      await expectProblem(() => bench.api.downloadSpec({ objectId }), 'analysis-state')
      await expectProblem(() => bench.api.objectUrl(objectId), 'analysis-state')
      const spec = await bench.api.describeObject(objectId)
      assert.deepEqual([spec.size, spec.md5, spec.parts.length], [bench.body.length, bench.md5, 3])
      await expectProblem(() => bench.anonymous.describeObject(objectId), 'access-denied')
    },
  },
  {
    name: 'what is not stored, or not known, is not found',
    async check(bench) {
      const objectId = await bench.registered()
      await expectProblem(() => bench.api.describeObject(objectId), 'object-not-found')
      for (const id of [unknownId, 'not-a-uuid']) await expectProblem(() => bench.api.downloadSpec({ objectId: id }), 'entity-not-found')
    },
  },
  {
    name: 'open objects are for everyone, controlled ones and uploads are not',
    async check(bench) {
      const open = await bench.published('open')
      const { parts } = await bench.anonymous.downloadSpec({ objectId: open })
      assert.deepEqual(await bench.fetchParts(parts), bench.body)
      await bench.anonymous.describeObject(open)
      const controlled = await bench.published('controlled')
      await expectProblem(() => bench.anonymous.downloadSpec({ objectId: controlled }), 'access-denied')
    },
  },
  {
    name: 'a stranger uploads nothing',
    async check(bench) {
      const objectId = await bench.registered('open')
      const size = bench.body.length
      // The original's server answers 400 when no token comes at all.
      await expectProblem(() => bench.anonymous.openUpload({ objectId, size }), 'access-denied', 'unauthenticated', 'invalid-request')
    },
  },
  {
    name: 'the listing has every object once, in order',
    async check(bench) {
      const ids = [await bench.stored(), await bench.published('open')]
      const rows = await collect(bench.api.listObjects())
      const listed = rows.map((row) => row.objectId)
      assert.deepEqual(listed, [...new Set(listed)].sort())
      for (const id of ids) {
        const row = rows.find((one) => one.objectId === id)
        assert.equal(row?.size, bench.body.length)
        assert.ok(row.lastModified instanceof Date && !Number.isNaN(row.lastModified.getTime()))
      }
      await expectProblem(() => collect(bench.anonymous.listObjects()), 'unauthenticated')
    },
  },
  {
    name: 'sentinel and profile',
    async check(bench) {
      const answer = await send(bench, await bench.anonymous.sentinelUrl())
      await answer.arrayBuffer()
      assert.equal(answer.status, 200)
      assert.ok(['s3', 'az'].includes(await bench.api.profile()))
    },
  },
]
