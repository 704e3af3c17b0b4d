import * as assert from 'uvu/assert'
import { md5Hex } from '../../src/core/checksum.ts'
import { ScoreError } from '../../src/core/errors.ts'
import type { SignedPart } from '../../src/core/object-spec.ts'
import { sweepStaleUploads } from '../../src/objects/stale-uploads.ts'
import { objectSpecToJson, uploadProgressToJson } from '../../src/wire/object-spec-json.ts'
import { suite } from '../support/suite.ts'
import { bytes, collect, failure, type House, ids, openHouse, tokens } from './score-house.ts'

const day = 86_400_000

const lost = (): never => {
  throw new ScoreError('unavailable', 'the answer was lost')
}

/** The bytes as a client would fetch them. */
async function fetched(house: House, parts: readonly SignedPart[]): Promise<Buffer> {
  const pieces: Buffer[] = []
  for (const { url, range } of parts) {
    const answer = await house.store.send(url, { headers: { range: `bytes=${range.start}-${range.end - 1}` } })
    if (answer.status !== 206) throw new Error(`GET answered ${answer.status}`)
    pieces.push(Buffer.from(await answer.arrayBuffer()))
  }
  return Buffer.concat(pieces)
}

interface Row {
  /** Of score-server.md 10. */
  readonly id: string
  readonly name: string
  readonly check: (house: House) => Promise<void>
}

const uploads: readonly Row[] = [
  {
    id: 'B1',
    name: 'a lost answer to the join: the next finalise writes .meta',
    async check(house) {
      const spec = await house.upload(ids.a, bytes(25), { finish: false })
      house.store.tap.after = (call) => (call === 'completeMultipart' ? lost() : undefined)
      assert.is((await failure(house.api.finalizeUpload(spec))).code, 'unavailable')
      house.store.tap.after = undefined
      assert.is(await house.api.objectExists(ids.a), false)
      await house.another().as(tokens.system).finalizeUpload(spec)
      assert.is(await house.api.objectExists(ids.a), true)
      const described = await house.api.describeObject(ids.a)
      assert.equal(
        described.parts.map((part) => part.md5),
        [bytes(25).subarray(0, 10), bytes(25).subarray(10, 20), bytes(25).subarray(20)].map((part) => md5Hex(part)),
      )
      assert.equal(await house.keys('state'), [`data/${ids.a}.meta`])
    },
  },
  {
    id: 'B1',
    name: 'a crash before .meta, seen by a client that resumes: all parts held, finalise succeeds',
    async check(house) {
      const spec = await house.upload(ids.a, bytes(25), { finish: false })
      house.store.tap.before = (call, key) => (call === 'put' && key === `data/${ids.a}.meta` ? lost() : undefined)
      assert.is((await failure(house.api.finalizeUpload(spec))).code, 'unavailable')
      house.store.tap.before = undefined
      const progress = await house.api.resumeUpload({ objectId: ids.a, size: 25 })
      assert.ok(progress.parts.every((part) => part.md5 !== undefined))
      await house.api.finalizeUpload(progress)
      assert.is(await house.api.objectExists(ids.a), true)
    },
  },
  {
    id: 'B1',
    name: 'a lost answer to the whole finalise: repeating is 200',
    async check(house) {
      const spec = await house.upload(ids.a, bytes(25))
      await house.api.finalizeUpload(spec)
      house.catalogue.states.set('AN-1', 'PUBLISHED')
      await house.api.finalizeUpload(spec)
    },
  },
  {
    id: 'B1',
    name: 'a crash while the state of a finished upload is removed: the rest goes with the next finalise',
    async check(house) {
      const spec = await house.upload(ids.a, bytes(25), { finish: false })
      house.store.tap.before = (call, key) => (call === 'delete' && key.includes('/part-') ? lost() : undefined)
      await house.api.finalizeUpload(spec)
      await house.service.settle()
      house.store.tap.before = undefined
      assert.ok((await house.keys('state')).length > 1)
      await house.api.finalizeUpload(spec)
      await house.service.settle()
      assert.equal(await house.keys('state'), [`data/${ids.a}.meta`])
    },
  },
  {
    id: 'B1',
    name: 'bytes of another size are not taken for the upload',
    async check(house) {
      const spec = await house.upload(ids.a, bytes(25), { finish: false })
      await house.store.abortMultipart({ bucket: 'obj', key: `data/${ids.a}`, uploadId: spec.uploadId })
      house.store.putObject({ bucket: 'obj', key: `data/${ids.a}` }, bytes(24))
      assert.is((await failure(house.api.finalizeUpload(spec))).code, 'upload-not-found')
    },
  },
  {
    id: 'B1',
    name: 'the bytes of a later upload are not given the .meta of an earlier one',
    async check(house) {
      const first = await house.upload(ids.a, bytes(25), { finish: false })
      const state = await house.text('state', `upload/${ids.a}_${first.uploadId}/.meta`)
      house.advance(1000)
      await house.upload(ids.a, bytes(25, 2))
      await house.store.put({ bucket: 'state', key: `upload/${ids.a}_${first.uploadId}/.meta` }, Buffer.from(state as string))
      assert.is((await failure(house.api.finalizeUpload(first))).code, 'upload-not-found')
      assert.is((await house.api.describeObject(ids.a)).md5, md5Hex(bytes(25, 2)))
    },
  },
  {
    id: 'B2',
    name: 'finalising an unknown upload is 404',
    async check(house) {
      assert.is((await failure(house.api.finalizeUpload({ objectId: ids.a, uploadId: 'zzz' }))).code, 'upload-not-found')
      await house.upload(ids.a, bytes(25))
      assert.is((await failure(house.api.finalizeUpload({ objectId: ids.a, uploadId: 'zzz' }))).code, 'upload-not-found')
    },
  },
  {
    id: 'B3',
    name: 'a cancel ends the uploads of one object and no other',
    async check(house) {
      const mine = await house.upload(ids.a, bytes(25), { finish: false })
      const other = await house.upload(ids.b, bytes(25), { finish: false })
      await house.api.cancelUpload(ids.a)
      assert.is((await failure(house.api.finalizeUpload(mine))).code, 'upload-not-found')
      await house.api.finalizeUpload(other)
      assert.is((await failure(house.api.cancelUpload(ids.a))).code, 'upload-not-found')
    },
  },
  {
    id: 'B4',
    name: 'a new upload ends the one before it, in the store too',
    async check(house) {
      const first = await house.upload(ids.a, bytes(25), { finish: false })
      const second = await house.upload(ids.a, bytes(25), { finish: false })
      const parts = house.store.listParts({ bucket: 'obj', key: `data/${ids.a}`, uploadId: first.uploadId })
      assert.is((await failure(collect(parts))).code, 'upload-not-found')
      assert.ok((await house.keys('state')).every((key) => key.includes(second.uploadId)))
    },
  },
  {
    id: 'B4',
    name: 'what was begun is taken back when its state cannot be written',
    async check(house) {
      house.store.tap.before = (call, key) => (call === 'put' && key.endsWith('/.meta') ? lost() : undefined)
      assert.is((await failure(house.api.openUpload({ objectId: ids.a, size: 25 }))).code, 'unavailable')
      assert.ok(house.store.tap.calls.includes(`abortMultipart data/${ids.a}`))
      assert.equal(await house.keys('state'), [])
    },
  },
  {
    id: 'B4',
    name: 'of two uploads of a new object the first to finish wins, the second is told',
    async check(house) {
      const first = await house.upload(ids.a, bytes(25), { finish: false })
      const state = new Map<string, string>()
      for (const key of await house.keys('state')) state.set(key, (await house.text('state', key)) as string)
      const abort = house.store.abortMultipart
      Object.assign(house.store, { abortMultipart: async () => undefined })
      const second = await house.upload(ids.a, bytes(25, 2), { finish: false })
      Object.assign(house.store, { abortMultipart: abort })
      for (const [key, text] of state) await house.store.put({ bucket: 'state', key }, Buffer.from(text))
      await house.api.finalizeUpload(first)
      assert.is((await failure(house.api.finalizeUpload(second))).code, 'object-exists')
      house.catalogue.states.set('AN-1', 'PUBLISHED')
      assert.equal(await fetched(house, (await house.api.downloadSpec({ objectId: ids.a })).parts), bytes(25))
    },
  },
  {
    id: 'B5',
    name: 'an overwrite never shows new bytes with old MD5s',
    async check(house) {
      await house.upload(ids.a, bytes(25))
      const spec = await house.upload(ids.a, bytes(25, 2), { finish: false, overwrite: true })
      assert.is((await house.api.describeObject(ids.a)).md5, md5Hex(bytes(25)))
      house.store.tap.after = (call) => (call === 'completeMultipart' ? lost() : undefined)
      assert.is((await failure(house.api.finalizeUpload(spec))).code, 'unavailable')
      assert.is((await house.api.describeObject(ids.a)).md5, undefined)
      house.store.tap.after = undefined
      await house.api.finalizeUpload(spec)
      assert.is((await house.api.describeObject(ids.a)).md5, md5Hex(bytes(25, 2)))
    },
  },
  {
    id: 'B5',
    name: 'an overwrite that is refused leaves the old object as it was',
    async check(house) {
      await house.upload(ids.a, bytes(25))
      const spec = await house.upload(ids.a, bytes(25, 2), { finish: false, overwrite: true })
      house.store.tap.before = (call) => {
        if (call === 'completeMultipart') throw new ScoreError('part-mismatch', 'a part has gone')
      }
      assert.is((await failure(house.api.finalizeUpload(spec))).code, 'part-mismatch')
      assert.is((await house.api.describeObject(ids.a)).md5, md5Hex(bytes(25)))
    },
  },
  {
    id: 'B6',
    name: 'held parts carry md5 and sourceMd5 in progress',
    async check(house) {
      const spec = await house.api.openUpload({ objectId: ids.a, size: 25 })
      await house.api.finalizePart(spec, await house.send(spec.parts[1] as SignedPart, bytes(10)))
      const json = uploadProgressToJson(await house.api.resumeUpload({ objectId: ids.a, size: 25 }))
      assert.equal(
        json.parts.map((part) => [part.md5, part.sourceMd5]),
        [
          [null, undefined],
          [md5Hex(bytes(10)), md5Hex(bytes(10))],
          [null, undefined],
        ],
      )
    },
  },
  {
    id: 'B7',
    name: 'a part sent again with other bytes leaves one receipt, and the upload can finish',
    async check(house) {
      const spec = await house.upload(ids.a, bytes(25), { finish: false })
      await house.api.finalizePart(spec, await house.send(spec.parts[0] as SignedPart, bytes(10, 9)))
      const states = (await house.keys('state')).filter((key) => key.includes('/part-00000001|'))
      assert.is(states.length, 1)
      assert.ok(states[0]?.includes(md5Hex(bytes(10, 9))))
      await house.api.finalizeUpload(spec)
      assert.is((await house.api.describeObject(ids.a)).parts[0]?.md5, md5Hex(bytes(10, 9)))
    },
  },
  {
    id: 'B7',
    name: 'duplicates left by a crash or another server are reconciled at finalise',
    async check(house) {
      const spec = await house.upload(ids.a, bytes(25), { finish: false })
      await house
        .another()
        .as(tokens.system)
        .finalizePart(spec, await house.send(spec.parts[0] as SignedPart, bytes(10, 9)))
      assert.is((await house.keys('state')).filter((key) => key.includes('/part-00000001|')).length, 2)
      await house.api.finalizeUpload(spec)
      assert.is((await house.api.describeObject(ids.a)).parts[0]?.md5, md5Hex(bytes(10, 9)))
    },
  },
  {
    id: 'B7',
    name: 'duplicates are reconciled at status: the receipt that the store confirms stays',
    async check(house) {
      const spec = await house.upload(ids.a, bytes(25), { finish: false })
      await house
        .another()
        .as(tokens.system)
        .finalizePart(spec, await house.send(spec.parts[0] as SignedPart, bytes(10, 9)))
      const progress = await house.api.resumeUpload({ objectId: ids.a, size: 25 })
      assert.is(progress.parts[0]?.md5, md5Hex(bytes(10, 9)))
      assert.is((await house.keys('state')).filter((key) => key.includes('/part-00000001|')).length, 1)
    },
  },
  {
    id: 'B7',
    name: 'a part replaced in the store but not reported is not held',
    async check(house) {
      const spec = await house.upload(ids.a, bytes(25), { finish: false })
      await house.send(spec.parts[0] as SignedPart, bytes(10, 9))
      assert.is((await failure(house.api.finalizeUpload(spec))).code, 'upload-incomplete')
      const progress = await house.api.resumeUpload({ objectId: ids.a, size: 25 })
      assert.equal(
        progress.parts.map((part) => part.md5 !== undefined),
        [false, true, true],
      )
    },
  },
  {
    id: 'B8',
    name: 'status gives fresh URLs',
    async check(house) {
      const spec = await house.api.openUpload({ objectId: ids.a, size: 25 })
      house.advance(7 * day)
      const stale = await house.store.send((spec.parts[0] as SignedPart).url, { method: 'PUT', body: 'x' })
      assert.is(stale.status, 403)
      const progress = await house.api.resumeUpload({ objectId: ids.a, size: 25 })
      for (const part of progress.parts)
        await house.api.finalizePart(progress, await house.send(part, bytes(25).subarray(part.range.start, part.range.end)))
      await house.api.finalizeUpload(progress)
    },
  },
  {
    id: 'B9',
    name: 'a part of an unknown upload is 404, not a repeat',
    async check(house) {
      const receipt = { number: 1, md5: md5Hex('x'), etag: md5Hex('x') }
      assert.is((await failure(house.api.finalizePart({ objectId: ids.a, uploadId: 'zzz' }, receipt))).code, 'upload-not-found')
      assert.is((await failure(house.api.finalizePart({ objectId: ids.a, uploadId: '../zzz' }, receipt))).code, 'upload-not-found')
    },
  },
  {
    id: 'B9',
    name: 'the literal <missing> is no MD5',
    async check(house) {
      const spec = await house.upload(ids.a, bytes(25))
      const json = JSON.parse((await house.text('state', `data/${ids.a}.meta`)) as string)
      json.parts[1].sourceMd5 = '<missing>'
      await house.store.put({ bucket: 'state', key: `data/${ids.a}.meta` }, Buffer.from(JSON.stringify(json)))
      const parts = (await house.api.describeObject(ids.a)).parts
      assert.equal(
        parts.map((part) => part.md5 === undefined),
        [false, true, false],
      )
      assert.is(parts.length, spec.parts.length)
    },
  },
  ...[0, -1, 1.5, Number.NaN, 49 * 2 ** 40].map((size) => ({
    id: 'B10',
    name: `an upload of ${size} bytes is refused before anything is stored`,
    async check(house: House) {
      assert.is((await failure(house.api.openUpload({ objectId: ids.a, size }))).code, 'invalid-request')
      assert.equal(await house.keys('state'), [])
    },
  })),
  {
    id: 'B11',
    name: 'trouble on the way to the store may be repeated; a refusal of the store is nobody else’s fault',
    async check(house) {
      house.store.tap.before = (call) => (call === 'createMultipart' ? lost() : undefined)
      assert.is((await failure(house.api.openUpload({ objectId: ids.a, size: 25 }))).code, 'unavailable')
      house.store.tap.before = (call) => {
        if (call === 'createMultipart') throw new ScoreError('access-denied', 'SignatureDoesNotMatch')
      }
      assert.is((await failure(house.api.openUpload({ objectId: ids.a, size: 25 }))).code, 'invalid-configuration')
    },
  },
  {
    id: 'B13',
    name: 'a store that cannot be asked is no reason to begin again',
    async check(house) {
      await house.upload(ids.a, bytes(25), { finish: false })
      house.store.tap.before = (call) => (call === 'listFolders' ? lost() : undefined)
      assert.is((await failure(house.api.resumeUpload({ objectId: ids.a, size: 25 }))).code, 'unavailable')
    },
  },
  {
    id: 'B14',
    name: 'size and MD5 are compared with the catalogue before anything is stored',
    async check(house) {
      house.catalogue.files.set(ids.a, { objectId: ids.a, size: 25, md5: md5Hex(bytes(25)).toUpperCase() })
      assert.is((await failure(house.api.openUpload({ objectId: ids.a, size: 24 }))).code, 'size-changed')
      assert.is((await failure(house.api.openUpload({ objectId: ids.a, size: 25, md5: md5Hex('x') }))).code, 'checksum-mismatch')
      assert.not.ok(house.store.tap.calls.some((call) => call.startsWith('createMultipart')))
      await house.upload(ids.a, bytes(25))
    },
  },
  {
    id: 'B14',
    name: 'a part of the wrong length is not held',
    async check(house) {
      const spec = await house.api.openUpload({ objectId: ids.a, size: 25 })
      for (const part of spec.parts) await house.api.finalizePart(spec, await house.send(part, bytes(9)))
      assert.match((await failure(house.api.finalizeUpload(spec))).message, /lacks 3 of 3 parts \(1, 2, 3\)/)
    },
  },
  {
    id: 'B14',
    name: 'the analysis must still be unpublished at finalise; the upload is kept until it is again',
    async check(house) {
      const spec = await house.upload(ids.a, bytes(25), { finish: false })
      house.catalogue.states.set('AN-1', 'PUBLISHED')
      const refused = await failure(house.api.finalizeUpload(spec))
      assert.is(refused.code, 'analysis-state')
      assert.match(refused.message, /AN-1 .*PUBLISHED.*unpublish it first/)
      house.catalogue.states.set('AN-1', 'UNPUBLISHED')
      await house.api.finalizeUpload(spec)
    },
  },
  {
    id: 'B15',
    name: 'the sweep ends uploads left alone, with orphaned state, and spares the living',
    async check(house) {
      const stale = await house.upload(ids.a, bytes(25), { finish: false })
      await house.store.put({ bucket: 'state', key: `upload/${ids.other}_gone/part-00000001|{}` }, new Uint8Array(0))
      const old = await house.upload(ids.b, bytes(25), { finish: false })
      // Begun, and never written down; one of them at a place that is no object's.
      const [lost, foreign] = await Promise.all(
        [`data/${ids.odd}`, 'data/readme'].map((key) => house.store.createMultipart({ bucket: 'obj', key })),
      )
      house.advance(5 * day)
      const young = await house.store.createMultipart({ bucket: 'obj', key: `data/${ids.odd}` })
      await house.api.finalizePart(
        old,
        await house.send((await house.api.resumeUpload({ objectId: ids.b, size: 25 })).parts[0] as SignedPart, bytes(10)),
      )
      await house.upload(ids.open, bytes(25))
      house.advance(2 * day)
      const sweep = (): Promise<readonly { readonly objectId: string }[]> =>
        sweepStaleUploads({ backend: house.store, layout: house.layout, now: house.now })
      const ended = await Promise.all([sweep(), sweep()])
      assert.equal([...new Set(ended.flat().map((upload) => upload.objectId))].sort(), [ids.other, ids.a, ids.odd].sort())
      assert.ok(house.store.listMultiparts)
      const open = await collect(house.store.listMultiparts({ bucket: 'obj', key: '' }))
      assert.equal(
        open.map(({ uploadId }) => uploadId).sort(),
        [old, foreign, young].map((upload) => upload?.uploadId).sort(),
        String(lost),
      )
      assert.is((await failure(house.api.finalizeUpload(stale))).code, 'upload-not-found')
      await house.api.resumeUpload({ objectId: ids.b, size: 25 })
      assert.is(await house.api.objectExists(ids.open), true)
    },
  },
  {
    id: 'B15',
    name: 'an upload that is gone on with after days is not left alone: its state is written anew, with URLs that live',
    async check(house) {
      const spec = await house.upload(ids.a, bytes(25), { finish: false })
      const state = { bucket: 'state', key: `upload/${ids.a}_${spec.uploadId}/.meta` }
      const writes = (): number => house.store.tap.calls.filter((call) => call === `put ${state.key}`).length
      const before = await house.text('state', state.key)
      house.advance(day)
      await house.api.resumeUpload({ objectId: ids.a, size: 25 })
      assert.is(writes(), 1)
      house.advance(5 * day - 1)
      const { parts } = await house.api.resumeUpload({ objectId: ids.a, size: 25 })
      assert.is(writes(), 2)
      const unsigned = (text: string | undefined): string => (text ?? '').replace(/"url":"[^"]*"/g, '"url"')
      const after = await house.text('state', state.key)
      assert.is(unsigned(after), unsigned(before))
      for (const { url } of parts) assert.ok(after?.includes(JSON.stringify(url)), url)
      house.advance(3 * day)
      assert.equal(await sweepStaleUploads({ backend: house.store, layout: house.layout, now: house.now }), [])
      await house.api.finalizeUpload(spec)
    },
  },
  {
    id: 'B5',
    name: 'an upload that begins between the join of another and its .meta is told that the object exists',
    async check(house) {
      for (const dies of [false, true]) {
        const objectId = dies ? ids.b : ids.a
        const spec = await house.upload(objectId, bytes(25), { finish: false })
        let began: Promise<{ readonly code: string }> | undefined
        house.store.tap.after = async (call) => {
          if (call !== 'completeMultipart') return
          house.store.tap.after = undefined
          began = failure(house.another().as(tokens.system).openUpload({ objectId, size: 25 }))
          await began
          if (dies) throw new Error('killed')
        }
        await house.api.finalizeUpload(spec).catch((error: unknown) => assert.match(String(error), /killed/))
        assert.is((await began)?.code, 'object-exists')
        await house.api.finalizeUpload(spec)
        assert.is((await house.api.describeObject(objectId)).parts[2]?.md5, md5Hex(bytes(25).subarray(20)))
        assert.equal(
          (await house.keys('state')).filter((key) => key.startsWith('upload/')),
          [],
        )
      }
    },
  },
  {
    id: 'B16',
    name: 'the final .meta holds no URL; the state one does, for an original server may take over',
    async check(house) {
      const spec = await house.upload(ids.a, bytes(25), { finish: false })
      const state = await house.text('state', `upload/${ids.a}_${spec.uploadId}/.meta`)
      assert.is(state, JSON.stringify(objectSpecToJson(spec)))
      await house.api.finalizeUpload(spec)
      const parts = [0, 10, 20].map((start, index) => ({
        partNumber: index + 1,
        partSize: Math.min(10, 25 - start),
        offset: start,
        url: null,
        md5: null,
        sourceMd5: md5Hex(bytes(25).subarray(start, start + 10)),
      }))
      const final = {
        objectKey: `data/${ids.a}`,
        objectId: ids.a,
        uploadId: spec.uploadId,
        parts,
        objectSize: 25,
        objectMd5: md5Hex(bytes(25)),
      }
      assert.is(await house.text('state', `data/${ids.a}.meta`), JSON.stringify(final))
    },
  },
]

const access: readonly Row[] = [
  {
    id: 'C1',
    name: 'the listing shows what one may download; the system sees all',
    async check(house) {
      for (const id of [ids.a, ids.open, ids.other]) await house.upload(id, bytes(5))
      const listed = async (token: string): Promise<string[]> =>
        (await collect(house.service.as(token).listObjects())).map((row) => row.objectId)
      assert.equal(await listed(tokens.system), [ids.other, ids.a, ids.open])
      assert.equal(await listed(tokens.reader), [])
      house.catalogue.states.set('AN-1', 'PUBLISHED')
      assert.equal(await listed(tokens.reader), [ids.a, ids.open])
      assert.equal(await listed(tokens.other), [ids.open])
      assert.equal(await listed(tokens.writer), [ids.open])
      assert.is((await failure(collect(house.service.as(undefined).listObjects()))).code, 'unauthenticated')
    },
  },
  {
    id: 'C2',
    name: 'an unpublished object is described only to the system and its study',
    async check(house) {
      await house.upload(ids.open, bytes(25))
      const describe = (token: string | undefined) => house.service.as(token).describeObject(ids.open)
      for (const token of [tokens.system, tokens.study, tokens.reader, tokens.writer]) assert.is((await describe(token)).size, 25)
      for (const token of [tokens.other, undefined]) assert.is((await failure(describe(token))).code, 'access-denied')
      house.catalogue.states.set('AN-1', 'PUBLISHED')
      assert.is((await describe(undefined)).size, 25)
    },
  },
  {
    id: 'C3',
    name: 'what is no UUID never reaches the catalogue',
    async check(house) {
      for (const id of ['?gnosId=AN-1', '../AN-1', '{x}', 'not-a-uuid', '', '1-1-1-1-1']) {
        assert.is((await failure(house.api.downloadSpec({ objectId: id }))).code, 'entity-not-found')
        assert.is((await failure(house.api.openUpload({ objectId: id, size: 5 }))).code, 'entity-not-found')
      }
      assert.is((await failure(house.service.as('bad-token-0123456789').objectExists('not-a-uuid'))).code, 'unauthenticated')
      assert.equal(house.catalogue.calls, [])
    },
  },
]

const downloads: readonly Row[] = [
  {
    id: 'D1',
    name: 'an object without bytes is 404, a bad range 400',
    async check(house) {
      house.catalogue.states.set('AN-1', 'PUBLISHED')
      assert.is((await failure(house.api.downloadSpec({ objectId: ids.a }))).code, 'object-not-found')
      house.catalogue.states.set('AN-1', 'UNPUBLISHED')
      await house.upload(ids.a, bytes(25))
      house.catalogue.states.set('AN-1', 'PUBLISHED')
      for (const range of [{ start: -1, end: 5 }, { start: 0, end: 26 }, { start: 26 }, { start: 5, end: 4 }, { start: Number.NaN }])
        assert.is((await failure(house.api.downloadSpec({ objectId: ids.a, range }))).code, 'invalid-range')
      for (const range of [{ start: 25 }, { start: 3, end: 3 }]) {
        const spec = await house.api.downloadSpec({ objectId: ids.a, range })
        assert.equal([spec.size, spec.parts, spec.md5], [0, [], undefined])
      }
    },
  },
  {
    id: 'D2',
    name: 'a true sub-range has no MD5 of the whole, its own size and the object’s id as upload id',
    async check(house) {
      await house.upload(ids.a, bytes(25))
      house.catalogue.states.set('AN-1', 'PUBLISHED')
      const spec = await house.api.downloadSpec({ objectId: ids.a, range: { start: 3, end: 17 } })
      assert.equal([spec.size, spec.md5, spec.uploadId], [14, undefined, ids.a])
      assert.equal(
        spec.parts.map((part) => [part.number, part.range, part.md5]),
        [
          [1, { start: 3, end: 13 }, undefined],
          [2, { start: 13, end: 17 }, undefined],
        ],
      )
      assert.equal(await fetched(house, spec.parts), bytes(25).subarray(3, 17))
      const whole = await house.api.downloadSpec({ objectId: ids.a, range: { start: 0, end: 25 } })
      assert.is(whole.md5, md5Hex(bytes(25)))
    },
  },
  {
    id: 'D3',
    name: 'an upload without MD5 gives null, never an empty text',
    async check(house) {
      const spec = await house.api.openUpload({ objectId: ids.a, size: 5, md5: '' })
      await house.api.finalizePart(spec, await house.send(spec.parts[0] as SignedPart, bytes(5)))
      await house.api.finalizeUpload(spec)
      assert.is(objectSpecToJson(await house.api.describeObject(ids.a)).objectMd5, null)
      assert.is((await failure(house.api.openUpload({ objectId: ids.b, size: 5, md5: 'junk' }))).code, 'invalid-request')
    },
  },
  {
    id: 'D4',
    name: 'trouble while looking for .meta is trouble, not an object without .meta',
    async check() {
      const house = await openHouse({ layout: { poolSize: 4 } })
      await house.upload(ids.a, bytes(25))
      house.catalogue.states.set('AN-1', 'PUBLISHED')
      await house.store.delete(house.layout.meta(ids.a)[0])
      house.store.tap.before = (call, key) => (call === 'get' && key.endsWith('.meta') ? lost() : undefined)
      assert.is((await failure(house.api.downloadSpec({ objectId: ids.a }))).code, 'unavailable')
    },
  },
  ...[
    ['in base64', Buffer.from(md5Hex(bytes(25)), 'hex').toString('base64')],
    ['in hex', md5Hex(bytes(25)).toUpperCase()],
  ].map(([spelling, md5]) => ({
    id: 'D5',
    name: `an object without .meta, in either bucket of a pool, with an MD5 ${spelling} in its metadata`,
    async check() {
      const house = await openHouse({ layout: { poolSize: 4 } })
      house.catalogue.states.set('AN-1', 'PUBLISHED')
      for (const address of house.layout.data(ids.a)) {
        house.store.putObject(address, bytes(25), { metadata: { md5chksum: md5 as string } })
        const spec = await house.api.downloadSpec({ objectId: ids.a })
        assert.equal([spec.md5, spec.uploadId, spec.size, spec.parts.length], [md5Hex(bytes(25)), ids.a, 25, 3])
        assert.equal(await fetched(house, spec.parts), bytes(25))
        await house.store.delete(address)
      }
    },
  })),
  {
    id: 'D7',
    name: 'the listing is sorted, fresh, without strangers, each object once across a pool',
    async check() {
      const house = await openHouse({ layout: { poolSize: 4, objectBucket: 'same', stateBucket: 'same' } })
      for (const id of [ids.a, ids.other]) await house.upload(id, bytes(25))
      house.store.putObject({ bucket: 'same', key: `data/${ids.a}` }, bytes(9))
      house.store.putObject({ bucket: 'same', key: `data/${ids.open}` }, bytes(9))
      house.store.putObject({ bucket: 'same', key: `database/${ids.b}` }, bytes(9))
      house.store.putObject({ bucket: 'same.1', key: 'data/1-1-1-1-1' }, bytes(9))
      house.store.putObject({ bucket: 'same.1', key: `data/deeper/${ids.b}` }, bytes(9))
      const rows = await collect(house.api.listObjects())
      assert.equal(
        rows.map((row) => [row.objectId, row.size]),
        [
          [ids.other, 25],
          [ids.a, 25],
          [ids.open, 9],
        ],
      )
      await house.upload(ids.b, bytes(25))
      assert.is((await collect(house.api.listObjects())).length, 4)
    },
  },
]

suite('defects of the original that a store can show (score-server.md 10)', (test) => {
  for (const { id, name, check } of [...uploads, ...access, ...downloads]) test(`${id}: ${name}`, async () => check(await openHouse()))
})
