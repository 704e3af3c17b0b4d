import assert from 'node:assert/strict'
import { md5Hex, multipartEtag } from '../core/checksum.ts'
import { type CaseDefinition, collect, expectProblem } from './contract-case.ts'
import { oddUrlKeys } from './storage-document-cases.ts'
import { patternBytes, type Workbench } from './storage-subject.ts'

const assembled: readonly CaseDefinition<Workbench>[] = [
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
      assert.equal((await backend.head(at('a')))?.etag, md5Hex('put again'))
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

const inProgress: readonly CaseDefinition<Workbench>[] = [
  {
    name: 'parts are listed in ascending order, from anywhere, so many as asked for',
    async check({ backend, at, upload, partsOf, bodies }) {
      const multipart = await backend.createMultipart(at('a'))
      assert.deepEqual(await partsOf(multipart), [])
      const [body] = bodies(1) as [Buffer]
      const numbers = [7, 101, 2, 100, 30, 250]
      const sent = new Map<number, string>()
      for (const number of numbers) sent.set(number, (await upload(multipart, number, body)).etag)
      const ascending = [...numbers].sort((left, right) => left - right)
      const listed = await partsOf(multipart)
      assert.deepEqual(
        listed.map((part) => part.number),
        ascending,
      )
      for (const part of listed) {
        assert.equal(part.etag, sent.get(part.number))
        assert.ok(part.size === undefined || part.size === body.length)
      }
      const after = async (number: number, limit?: number): Promise<number[]> => {
        const found = await collect(backend.listParts(multipart, { after: number, ...(limit === undefined ? {} : { limit }) }))
        return found.map((part) => part.number)
      }
      assert.deepEqual(await after(7), [30, 100, 101, 250])
      assert.deepEqual(await after(99, 2), [100, 101])
      assert.deepEqual(await after(6, 1), [7])
      assert.deepEqual(await after(250), [])
      await backend.abortMultipart(multipart)
    },
  },
  {
    name: 'a part that is sent again replaces the first try',
    async check({ backend, at, upload, partsOf, read, bodies }) {
      const multipart = await backend.createMultipart(at('a'))
      const [, last] = bodies(1) as [Buffer, Buffer]
      const other = patternBytes(91, 'other')
      const old = await upload(multipart, 1, last)
      const part = await upload(multipart, 1, other)
      assert.deepEqual(
        (await partsOf(multipart)).map((one) => one.etag),
        [part.etag],
      )
      await expectProblem(() => backend.completeMultipart(multipart, [old]), 'part-mismatch')
      const again = await upload(multipart, 1, other)
      await backend.completeMultipart(multipart, [again])
      assert.deepEqual(await read(at('a')), other)
    },
  },
  {
    name: 'a completion that names a missing part is refused, and may be repeated when it is there',
    async check({ backend, at, upload, read, bodies }) {
      const [first, last] = bodies(1) as [Buffer, Buffer]
      const multipart = await backend.createMultipart(at('a'))
      const one = await upload(multipart, 1, first)
      const absent = { number: 2, etag: md5Hex(last) }
      await expectProblem(() => backend.completeMultipart(multipart, [one, absent]), 'part-mismatch')
      assert.equal(await backend.head(at('a')), undefined)
      const two = await upload(multipart, 2, last)
      await backend.completeMultipart(multipart, [one, two])
      assert.deepEqual(await read(at('a')), Buffer.concat([first, last]))
    },
  },
  {
    name: 'an upload is completed once',
    async check({ backend, at, upload, read, bodies }) {
      const [body] = bodies(0) as [Buffer]
      const multipart = await backend.createMultipart(at('a'))
      const part = await upload(multipart, 1, body)
      await backend.completeMultipart(multipart, [part])
      await expectProblem(() => backend.completeMultipart(multipart, [part]), 'upload-not-found')
      await expectProblem(() => collect(backend.listParts(multipart)), 'upload-not-found')
      await backend.abortMultipart(multipart)
      assert.deepEqual(await read(at('a')), body)
    },
  },
  {
    name: 'ifAbsent refuses to replace',
    async check({ backend, at, upload, read, bodies }) {
      const [body] = bodies(0) as [Buffer]
      const multipart = await backend.createMultipart(at('a'))
      const part = await upload(multipart, 1, body)
      await backend.put(at('a'), Buffer.from('first'))
      await expectProblem(() => backend.completeMultipart(multipart, [part], { ifAbsent: true }), 'object-exists')
      assert.equal((await read(at('a'))).toString(), 'first')
      await backend.abortMultipart(multipart)
      const free = await backend.createMultipart(at('b'))
      await backend.completeMultipart(free, [await upload(free, 1, body)], { ifAbsent: true })
      assert.deepEqual(await read(at('b')), body)
    },
  },
  {
    name: 'an aborted upload is gone, and only it',
    async check({ backend, at, upload, read, bodies }) {
      const [body] = bodies(0) as [Buffer]
      const [given, kept] = [await backend.createMultipart(at('a')), await backend.createMultipart(at('a'))]
      assert.notEqual(given.uploadId, kept.uploadId)
      const lost = await upload(given, 1, body)
      const part = await upload(kept, 1, body)
      await backend.abortMultipart(given)
      await backend.abortMultipart(given)
      await expectProblem(() => collect(backend.listParts(given)), 'upload-not-found')
      await expectProblem(() => backend.completeMultipart(given, [lost]), 'upload-not-found')
      await backend.completeMultipart(kept, [part])
      assert.deepEqual(await read(at('a')), body)
    },
  },
  {
    name: 'an upload that never was is not found',
    async check({ backend, at }) {
      const { uploadId } = await backend.createMultipart(at('other'))
      const multipart = { ...at('a'), uploadId }
      await expectProblem(() => collect(backend.listParts(multipart)), 'upload-not-found')
      await expectProblem(() => backend.completeMultipart(multipart, [{ number: 1, etag: md5Hex('x') }]), 'upload-not-found')
      await backend.abortMultipart(multipart)
      await backend.abortMultipart({ ...at('other'), uploadId })
    },
  },
  {
    name: 'upload ids can be part of a key',
    async check({ backend, at }) {
      const multipart = await backend.createMultipart(at('a'))
      assert.equal(multipart.key, at('a').key)
      assert.match(multipart.uploadId, /^[^/\s\p{Cc}]{1,900}$/u)
      await backend.abortMultipart(multipart)
    },
  },
]

export const multipartCases: readonly CaseDefinition<Workbench>[] = [...assembled, ...inProgress]
