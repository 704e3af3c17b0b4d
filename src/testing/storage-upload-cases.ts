import assert from 'node:assert/strict'
import { md5Hex } from '../core/checksum.ts'
import { isScoreError } from '../core/errors.ts'
import { type CaseDefinition, collect, expectProblem } from './contract-case.ts'
import { patternBytes, type Workbench } from './storage-subject.ts'

/** The life of an upload: its parts, its one completion, its end. */
export const uploadCases: readonly CaseDefinition<Workbench>[] = [
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
    name: 'an upload that is complete is aborted without harm',
    async check({ backend, at, upload, read, bodies }) {
      const [body] = bodies(0) as [Buffer]
      const multipart = await backend.createMultipart(at('a'))
      await backend.completeMultipart(multipart, [await upload(multipart, 1, body)])
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
    name: 'of many completions that may not replace, one wins and the others are told',
    async check({ backend, at, upload, read }) {
      const bodies = Array.from({ length: 6 }, (_, index) => patternBytes(500, `writer ${index}`))
      const uploads = await Promise.all(
        bodies.map(async (body) => {
          const multipart = await backend.createMultipart(at('raced'))
          return { multipart, part: await upload(multipart, 1, body) }
        }),
      )
      const outcomes = await Promise.allSettled(
        uploads.map(({ multipart, part }) => backend.completeMultipart(multipart, [part], { ifAbsent: true })),
      )
      const won = outcomes.flatMap((outcome, index) => (outcome.status === 'fulfilled' ? [index] : []))
      assert.equal(won.length, 1, `${won.length} completions succeeded`)
      // A store may ask for a repeat instead of telling at once.
      for (const outcome of outcomes)
        if (outcome.status === 'rejected') assert.ok(isScoreError(outcome.reason, 'object-exists', 'unavailable'), String(outcome.reason))
      assert.deepEqual(await read(at('raced')), bodies[won[0] ?? 0])
      for (const { multipart } of uploads) await backend.abortMultipart(multipart)
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
    name: 'uploads in progress are listed until they end, where the store lists any',
    async check({ backend, at, upload }) {
      const { listMultiparts } = backend
      if (listMultiparts === undefined) return
      const ids = async (): Promise<string[]> => (await collect(listMultiparts(at('open/')))).map(({ uploadId }) => uploadId).sort()
      const [first, again, other] = [
        await backend.createMultipart(at('open/a')),
        await backend.createMultipart(at('open/a')),
        await backend.createMultipart(at('open/b')),
      ]
      const stranger = await backend.createMultipart(at('opened'))
      assert.deepEqual(await ids(), [first, again, other].map(({ uploadId }) => uploadId).sort())
      const found = (await collect(listMultiparts(at('open/')))).find(({ uploadId }) => uploadId === other.uploadId)
      assert.deepEqual([found?.bucket, found?.key], [other.bucket, other.key])
      await backend.completeMultipart(first, [await upload(first, 1, patternBytes(500, 'listed'))])
      await backend.abortMultipart(again)
      assert.deepEqual(await ids(), [other.uploadId])
      await backend.abortMultipart(other)
      await backend.abortMultipart(stranger)
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
