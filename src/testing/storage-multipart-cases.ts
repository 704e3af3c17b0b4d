import assert from 'node:assert/strict'
import { md5Hex, multipartEtag } from '../core/checksum.ts'
import { type CaseDefinition, collect, expectProblem } from './contract-case.ts'
import { oddUrlKeys } from './storage-document-cases.ts'
import type { Workbench } from './storage-subject.ts'

/** What becomes of parts that are joined. */
export const multipartCases: readonly CaseDefinition<Workbench>[] = [
  {
    name: 'parts become an object, in order',
    async check({ backend, at, assemble, read, bodies, keysUnder }) {
      const parts = bodies(2)
      const before = Date.now() - 120_000
      await assemble(at('a'), ...parts)
      const whole = Buffer.concat(parts)
      assert.deepEqual(await read(at('a')), whole)
      const stat = await backend.head(at('a'))
      assert.equal(stat?.size, whole.length)
      assert.ok(stat.lastModified.getTime() > before)
      assert.deepEqual(await keysUnder('a'), ['a'])
      const [listed] = await collect(backend.list(at('a')))
      assert.equal(listed?.size, whole.length)
    },
  },
  {
    name: 'the ETag of a multipart object tells its parts',
    async check({ backend, at, assemble, bodies }) {
      const parts = bodies(2)
      await assemble(at('three'), ...parts)
      assert.equal((await backend.head(at('three')))?.etag, multipartEtag(parts.map((part) => md5Hex(part))))
      const single = Buffer.from('single')
      await assemble(at('one'), single)
      const stat = await backend.head(at('one'))
      assert.equal(stat?.etag, multipartEtag([md5Hex(single)]))
      assert.ok(stat.md5 === undefined || stat.md5 === md5Hex(single))
    },
  },
  {
    name: 'ranges go across the borders of parts',
    async check({ at, assemble, read, bodies }) {
      const parts = bodies(2)
      const whole = Buffer.concat(parts)
      await assemble(at('a'), ...parts)
      const border = parts[0]?.length ?? 0
      const ranges = [
        [border - 1, border + 1],
        [border, border + 1],
        [border - 1, border],
        [1, whole.length - 1],
        [2 * border, whole.length],
        [0, 1],
      ] as const
      for (const [start, end] of ranges)
        assert.deepEqual(await read(at('a'), { start, end }), whole.subarray(start, end), `bytes ${start} to ${end}`)
      await expectProblem(() => read(at('a'), { start: 0, end: whole.length + 1 }), 'invalid-range')
    },
  },
  {
    name: 'nothing is seen before the completion',
    async check({ backend, at, upload, bodies, keysUnder }) {
      const multipart = await backend.createMultipart(at('a'))
      await upload(multipart, 1, bodies(0)[0] as Buffer)
      assert.equal(await backend.head(at('a')), undefined)
      assert.deepEqual(await keysUnder(''), [])
      await backend.abortMultipart(multipart)
    },
  },
  {
    name: 'a completion replaces what was there, and a put replaces a multipart object',
    async check({ backend, at, assemble, read, bodies, keysUnder }) {
      const [first, second] = [bodies(1), bodies(1).reverse().slice(0, 1)]
      await backend.put(at('a'), Buffer.from('put'))
      await assemble(at('a'), ...first)
      assert.deepEqual(await read(at('a')), Buffer.concat(first))
      await assemble(at('a'), ...second)
      assert.deepEqual(await read(at('a')), Buffer.concat(second))
      await backend.put(at('a'), Buffer.from('put again'))
      assert.equal((await read(at('a'))).toString(), 'put again')
      assert.equal((await backend.head(at('a')))?.md5, md5Hex('put again'))
      assert.deepEqual(await keysUnder('a'), ['a'])
      await assemble(at('a'), ...first)
      await backend.delete(at('a'))
      assert.equal(await backend.head(at('a')), undefined)
      assert.deepEqual(await keysUnder('a'), [])
    },
  },
  {
    name: 'parts that are not named are left out',
    async check({ backend, at, upload, read, bodies }) {
      const [first, second, last] = bodies(2) as [Buffer, Buffer, Buffer]
      const multipart = await backend.createMultipart(at('a'))
      const parts = [await upload(multipart, 1, first), await upload(multipart, 5, second), await upload(multipart, 9, last)]
      await backend.completeMultipart(multipart, [parts[0], parts[2]] as typeof parts)
      assert.deepEqual(await read(at('a')), Buffer.concat([first, last]))
    },
  },
  {
    name: 'odd keys hold multipart objects',
    async check({ backend, at, assemble, read, keysUnder }) {
      for (const key of oddUrlKeys) await assemble(at(`odd/${key}`), Buffer.from(key))
      for (const key of oddUrlKeys) assert.equal((await read(at(`odd/${key}`))).toString(), key)
      assert.equal((await keysUnder('odd/')).length, oddUrlKeys.length)
      for (const key of oddUrlKeys) await backend.delete(at(`odd/${key}`))
    },
  },
]
