import * as assert from 'uvu/assert'
import type { ScoreApi } from '../../src/api/score-api.ts'
import { createOpenAuthorizer } from '../../src/auth/open-authorizer.ts'
import { md5Hex } from '../../src/core/checksum.ts'
import { isScoreError } from '../../src/core/errors.ts'
import type { ObjectSpec, SignedPart, UploadProgress, UploadRef } from '../../src/core/object-spec.ts'
import { createScoreService } from '../../src/objects/score-service.ts'
import { sweepStaleUploads } from '../../src/objects/stale-uploads.ts'
import { suite } from '../support/suite.ts'
import { bytes, collect, failure, type House, ids, openHouse, partPlan, tapStore } from './score-house.ts'

class Killed extends Error {}

/** A server that dies at its n-th call to the store: just before it is made, or just after it was carried out. */
function mortalServer(house: House, diesAt: number, when: 'before' | 'after') {
  const store = tapStore(house.store)
  let dead = false
  const die = (): never => {
    dead = true
    throw new Killed('kill -9')
  }
  store.tap.before = (_call, _key, index) => {
    if (dead || (when === 'before' && index === diesAt)) die()
  }
  store.tap.after = (_call, _key, index) => {
    if (dead || (when === 'after' && index === diesAt)) die()
  }
  const service = createScoreService({
    backend: store,
    layout: house.layout,
    metadata: house.catalogue,
    authorizer: createOpenAuthorizer(),
    partPlan,
  })
  return { api: service.as(undefined), settle: service.settle, calls: () => store.tap.calls.length, died: () => dead }
}

type Send = House['send']

async function sendMissing(send: Send, api: ScoreApi, upload: UploadProgress | ObjectSpec<SignedPart>, body: Buffer): Promise<void> {
  for (const part of upload.parts)
    if (part.md5 === undefined) await api.finalizePart(upload, await send(part, body.subarray(part.range.start, part.range.end)))
  await api.finalizeUpload(upload)
}

async function isFinished(api: ScoreApi, upload: UploadRef | undefined): Promise<boolean> {
  if (!upload) return false
  try {
    await api.finalizeUpload(upload)
    return true
  } catch (error) {
    if (isScoreError(error, 'upload-not-found')) return false
    throw error
  }
}

/** What a client does that remembers its upload, if it ever heard of it: goes on with what there is, else begins. */
async function uploadAgain(
  send: Send,
  api: ScoreApi,
  body: Buffer,
  memory: { readonly upload: UploadRef | undefined; readonly overwrite: boolean },
): Promise<void> {
  const request = { objectId: ids.a, size: body.length }
  try {
    await sendMissing(send, api, await api.resumeUpload(request), body)
  } catch (error) {
    if (!isScoreError(error, 'upload-not-found')) throw error
    if (await isFinished(api, memory.upload)) return
    await sendMissing(send, api, await api.openUpload({ ...request, md5: md5Hex(body), overwrite: memory.overwrite }), body)
  }
}

/** @returns whether it died, and how many calls it had made until then. */
async function crash(
  diesAt: number,
  when: 'before' | 'after',
  overwrite: boolean,
): Promise<{ readonly died: boolean; readonly answered: boolean; readonly calls: number }> {
  const house = await openHouse()
  if (overwrite) await house.upload(ids.a, bytes(15, 9))
  const body = bytes(25)
  const first = mortalServer(house, diesAt, when)
  let answered = false
  let sent = 0
  let upload: UploadRef | undefined
  const send: Send = (part, piece) => {
    sent++
    return house.send(part, piece)
  }
  try {
    const spec = await first.api.openUpload({ objectId: ids.a, size: 25, md5: md5Hex(body), overwrite })
    upload = spec
    await sendMissing(send, first.api, spec, body)
    answered = true
  } catch (error) {
    if (!(error instanceof Killed)) throw error
    const described = await house.api.describeObject(ids.a).catch((failure: unknown) => {
      if (isScoreError(failure, 'object-not-found')) return undefined
      throw failure
    })
    // Old bytes with old sums, new ones with new, or no sums: never a mixture.
    if (described?.md5 !== undefined)
      assert.is(described.md5, md5Hex(...(await collect(house.store.get({ bucket: 'obj', key: `data/${ids.a}` })))))
  }
  await first.settle()
  if (answered) {
    assert.is((await failure(house.api.resumeUpload({ objectId: ids.a, size: 25 }))).code, 'upload-not-found')
    assert.is(await house.api.objectExists(ids.a), true)
  }
  house.advance(1000)
  await uploadAgain(send, house.api, body, { upload, overwrite })
  assert.ok(sent <= 4, `${sent} parts were sent; only the one in flight may go twice`)
  house.catalogue.states.set('AN-1', 'PUBLISHED')
  const spec = await house.api.downloadSpec({ objectId: ids.a })
  assert.equal([spec.size, spec.md5], [25, md5Hex(body)])
  assert.ok(spec.parts.every((part) => part.md5 === md5Hex(body.subarray(part.range.start, part.range.end))))
  for (const part of spec.parts) {
    const answer = await house.store.send(part.url, { headers: { range: `bytes=${part.range.start}-${part.range.end - 1}` } })
    assert.equal(Buffer.from(await answer.arrayBuffer()), body.subarray(part.range.start, part.range.end))
  }
  house.advance(8 * 86_400_000)
  await sweepStaleUploads({ backend: house.store, layout: house.layout, now: house.now })
  assert.equal(
    (await collect(house.store.list({ bucket: 'state', key: '' }))).map((row) => row.key),
    [`data/${ids.a}.meta`],
  )
  return { died: first.died(), answered, calls: first.calls() }
}

suite('a server that is killed at any call to its store', (test) => {
  for (const overwrite of [false, true])
    for (const when of ['before', 'after'] as const)
      test(`${overwrite ? 'a replacement' : 'a new object'}, killed ${when} each call: the next server finishes it, nothing is left over`, async () => {
        const { calls } = await crash(Number.POSITIVE_INFINITY, when, overwrite)
        assert.ok(calls > 20, `only ${calls} moments`)
        let [deaths, behind] = [0, 0]
        for (let diesAt = 1; diesAt <= calls; diesAt++) {
          const { died, answered } = await crash(diesAt, when, overwrite)
          if (died) deaths++
          if (died && answered) behind++
        }
        assert.is(deaths, calls)
        assert.ok(behind >= 4, `${behind} died behind their answer`)
      })
})
