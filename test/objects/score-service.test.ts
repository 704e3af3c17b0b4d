import * as assert from 'uvu/assert'
import { createOpenAuthorizer } from '../../src/auth/open-authorizer.ts'
import { md5Hex } from '../../src/core/checksum.ts'
import { ScoreError } from '../../src/core/errors.ts'
import type { SignedPart } from '../../src/core/object-spec.ts'
import { createPresignService } from '../../src/objects/presign-service.ts'
import { createScoreService } from '../../src/objects/score-service.ts'
import { suite } from '../support/suite.ts'
import { bytes, collect, failure, type House, ids, openHouse, partPlan, tokens } from './score-house.ts'

const day = 86_400_000

suite('objects/score-service uploads', (test) => {
  test('a normal part costs two store requests, one sent again with other bytes four', async () => {
    const house = await openHouse()
    const spec = await house.api.openUpload({ objectId: ids.a, size: 25 })
    const receipt = await house.send(spec.parts[0] as SignedPart, bytes(10))
    const { calls } = house.store.tap
    calls.length = 0
    await house.api.finalizePart(spec, receipt)
    assert.equal(
      calls.map((call) => call.split(' ')[0]),
      ['listParts', 'put'],
    )
    calls.length = 0
    await house.api.finalizePart(spec, receipt)
    assert.equal(
      calls.map((call) => call.split(' ')[0]),
      ['listParts', 'put'],
    )
    const again = await house.send(spec.parts[0] as SignedPart, bytes(10, 2))
    calls.length = 0
    await house.api.finalizePart(spec, again)
    assert.equal(
      calls.map((call) => call.split(' ')[0]),
      ['listParts', 'put', 'list', 'delete'],
    )
  })

  test('where one part costs a list of all, a report is held against the state alone, and proven at the end', async () => {
    const house = await openHouse()
    const { store, layout, catalogue } = house
    const backend = { ...store, listsAllParts: true } as const
    const api = createScoreService({ backend, layout, metadata: catalogue, authorizer: createOpenAuthorizer(), partPlan }).as(undefined)
    const spec = await api.openUpload({ objectId: ids.a, size: 15 })
    const receipt = await house.send(spec.parts[0] as SignedPart, bytes(10))
    store.tap.calls.length = 0
    await api.finalizePart(spec, receipt)
    await api.finalizePart(spec, { ...receipt, number: 2 })
    assert.equal(
      store.tap.calls.map((call) => call.split(' ')[0]),
      ['head', 'put', 'head', 'put'],
    )
    assert.is((await failure(api.finalizeUpload(spec))).code, 'upload-incomplete')
    assert.equal(
      (await api.resumeUpload({ objectId: ids.a, size: 15 })).parts.map(({ md5 }) => md5),
      [receipt.md5, undefined],
    )
    await api.finalizePart(spec, await house.send(spec.parts[1] as SignedPart, bytes(5)))
    await api.finalizeUpload(spec)
    for (const uploadId of [spec.uploadId, 'never-was'])
      assert.is((await failure(api.finalizePart({ objectId: ids.a, uploadId }, receipt))).code, 'upload-not-found')
  })

  test('the state of 10,000 parts goes behind the answer, many at once but bounded', async () => {
    const house = await openHouse({ partPlan: { floorBytes: 1, partSizeBytes: 1 } })
    const body = bytes(9_999)
    const spec = await house.api.openUpload({ objectId: ids.a, size: body.length, md5: md5Hex(body) })
    assert.is(spec.parts.length, 9_999)
    for (const part of spec.parts)
      await house.api.finalizePart(spec, await house.send(part, body.subarray(part.range.start, part.range.end)))
    let running = 0
    let most = 0
    house.store.tap.before = async (call) => {
      if (call !== 'delete') return
      most = Math.max(most, ++running)
      await new Promise(setImmediate)
      running--
    }
    await house.api.finalizeUpload(spec)
    await house.service.settle()
    assert.ok(most > 8 && most <= 32, `${most} deletes at once`)
    assert.equal(await house.keys('state'), [`data/${ids.a}.meta`])
    house.catalogue.states.set('AN-1', 'PUBLISHED')
    assert.is((await house.api.downloadSpec({ objectId: ids.a })).parts.length, 9_999)
  })

  test('a finished upload is none to anyone while its state is removed, and a new one of the object keeps its own', async () => {
    const house = await openHouse()
    const first = await house.upload(ids.a, bytes(25), { finish: false })
    const held = new Set<string>()
    let release = (): void => undefined
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    // The removal behind the answer stands still; whoever else removes the same goes on.
    house.store.tap.before = async (call, key) => {
      if (call !== 'delete' || !key.includes('/part-') || held.has(key)) return
      held.add(key)
      await released
    }
    await house.api.finalizeUpload(first)
    assert.is((await house.keys('state')).filter((key) => key.includes(first.uploadId)).length, 4)
    assert.is((await failure(house.api.resumeUpload({ objectId: ids.a, size: 25 }))).code, 'upload-not-found')
    assert.is((await failure(house.api.openUpload({ objectId: ids.a, size: 25 }))).code, 'object-exists')
    await house.api.finalizeUpload(first)
    const body = bytes(25, 2)
    const second = await house.upload(ids.a, body, { finish: false, overwrite: true })
    assert.is((await house.api.resumeUpload({ objectId: ids.a, size: 25 })).uploadId, second.uploadId)
    release()
    await house.service.settle()
    assert.is(held.size, 3)
    assert.is((await house.keys('state')).filter((key) => key.includes(first.uploadId)).length, 0)
    assert.is((await house.api.resumeUpload({ objectId: ids.a, size: 25 })).parts.filter(({ md5 }) => md5).length, 3)
    await house.api.finalizeUpload(second)
    await house.service.settle()
    assert.equal(await house.keys('state'), [`data/${ids.a}.meta`])
    assert.is((await house.api.describeObject(ids.a)).md5, md5Hex(body))
  })

  test('a cancel removes what a finished upload left behind, and says that none was in progress', async () => {
    const house = await openHouse()
    house.store.tap.before = (call, key) => {
      if (call === 'delete' && key.includes('/part-')) throw new ScoreError('internal', 'the disk is gone')
    }
    await house.upload(ids.a, bytes(25))
    house.store.tap.before = undefined
    assert.is((await house.keys('state')).length, 4)
    assert.is((await failure(house.api.cancelUpload(ids.a))).code, 'upload-not-found')
    assert.equal(await house.keys('state'), [`data/${ids.a}.meta`])
    assert.is(await house.api.objectExists(ids.a), true)
  })

  test('URLs live six days, one day, five minutes', async () => {
    const house = await openHouse()
    const lives = async (url: string, ms: number, init: RequestInit): Promise<boolean> => {
      house.advance(ms - 1)
      const before = (await house.store.send(url, init)).status
      house.advance(1)
      const after = (await house.store.send(url, init)).status
      return before < 300 && after === 403
    }
    const spec = await house.api.openUpload({ objectId: ids.a, size: 5 })
    assert.ok(await lives((spec.parts[0] as SignedPart).url, 6 * day, { method: 'PUT', body: Uint8Array.from(bytes(5)) }))
    await house.upload(ids.a, bytes(5))
    house.catalogue.states.set('AN-1', 'PUBLISHED')
    const part = (await house.api.downloadSpec({ objectId: ids.a })).parts[0] as SignedPart
    assert.ok(await lives(part.url, day, { headers: { range: 'bytes=0-4' } }))
    const external = await house.api.objectUrl(ids.a)
    assert.equal(external.expiresAt, new Date(house.now() + day))
    assert.ok(await lives(external.url, day, {}))
    assert.ok(await lives(await house.service.as(undefined).sentinelUrl(), 300_000, {}))
  })

  const refusedParts: readonly (readonly [string, Partial<{ number: number; md5: string; etag: string }>, string])[] = [
    ['number 0', { number: 0 }, 'invalid-request'],
    ['number 10001', { number: 10_001 }, 'invalid-request'],
    ['a fraction', { number: 1.5 }, 'invalid-request'],
    ['no MD5', { md5: '' }, 'invalid-request'],
    ['no ETag', { etag: '' }, 'invalid-request'],
    ['junk for an MD5', { md5: '0123' }, 'invalid-request'],
    ['another ETag', { etag: md5Hex('x') }, 'part-mismatch'],
    ['an ETag in upper case', { etag: md5Hex(bytes(10)).toUpperCase() }, 'part-mismatch'],
    ['a part that did not arrive', { number: 2 }, 'part-mismatch'],
  ]
  for (const [name, change, code] of refusedParts)
    test(`a part reported with ${name} is refused`, async () => {
      const house = await openHouse()
      const spec = await house.api.openUpload({ objectId: ids.a, size: 25 })
      const receipt = await house.send(spec.parts[0] as SignedPart, bytes(10))
      assert.is((await failure(house.api.finalizePart(spec, { ...receipt, ...change }))).code, code)
      assert.not.ok((await house.keys('state')).some((key) => key.includes('/part-')))
    })

  test('an ETag in quotes and an MD5 in base64 are understood', async () => {
    const house = await openHouse()
    const spec = await house.api.openUpload({ objectId: ids.a, size: 25 })
    const { number, md5, etag } = await house.send(spec.parts[0] as SignedPart, bytes(10))
    await house.api.finalizePart(spec, { number, md5: Buffer.from(md5, 'hex').toString('base64'), etag: `"${etag}"` })
    assert.is((await house.api.resumeUpload({ objectId: ids.a, size: 25 })).parts[0]?.md5, md5)
  })

  test('a part that is forgotten is missing at finalise; forgetting what is not there is no error', async () => {
    const house = await openHouse()
    const spec = await house.upload(ids.a, bytes(25), { finish: false })
    await house.api.deletePart(spec, 2)
    await house.api.deletePart(spec, 2)
    await house.api.deletePart({ objectId: ids.a, uploadId: 'no/such' }, 2)
    assert.match((await failure(house.api.finalizeUpload(spec))).message, /lacks 1 of 3 parts \(2\)/)
  })

  test('a finished object is in the way unless it may be replaced', async () => {
    const house = await openHouse()
    assert.is(await house.api.objectExists(ids.a), false)
    await house.upload(ids.a, bytes(25))
    assert.is(await house.api.objectExists(ids.a), true)
    const refused = await failure(house.api.openUpload({ objectId: ids.a, size: 25 }))
    assert.is(refused.code, 'object-exists')
    assert.match(refused.message, /--force/)
    await house.upload(ids.a, bytes(15, 3), { overwrite: true })
    assert.is((await house.api.describeObject(ids.a)).size, 15)
  })

  test('an upload that an original server began may replace an object', async () => {
    const house = await openHouse()
    await house.upload(ids.a, bytes(25))
    const spec = await house.upload(ids.a, bytes(25, 2), { finish: false, overwrite: true })
    await house.store.delete({ bucket: 'state', key: `upload/${ids.a}_${spec.uploadId}/.fresh` })
    await house.api.finalizeUpload(spec)
    assert.is((await house.api.describeObject(ids.a)).md5, md5Hex(bytes(25, 2)))
  })

  test('progress needs the size the upload was begun with', async () => {
    const house = await openHouse()
    assert.is((await failure(house.api.resumeUpload({ objectId: ids.a, size: 25 }))).code, 'upload-not-found')
    await house.api.openUpload({ objectId: ids.a, size: 25 })
    assert.is((await failure(house.api.resumeUpload({ objectId: ids.a, size: 26 }))).code, 'size-changed')
  })

  test('an upload whose parts the store no longer has is no upload', async () => {
    const house = await openHouse()
    const spec = await house.upload(ids.a, bytes(25), { finish: false })
    await house.store.abortMultipart({ bucket: 'obj', key: `data/${ids.a}`, uploadId: spec.uploadId })
    assert.is((await failure(house.api.resumeUpload({ objectId: ids.a, size: 25 }))).code, 'upload-not-found')
    assert.equal(await house.keys('state'), [])
  })

  test('junk in the state is named, and cancelling it is the way out', async () => {
    const house = await openHouse()
    const spec = await house.upload(ids.a, bytes(25), { finish: false })
    await house.store.put(
      { bucket: 'state', key: `upload/${ids.a}_${spec.uploadId}/part-00000001|{"partNumber":1,"x":2}` },
      new Uint8Array(0),
    )
    const refused = await failure(house.api.resumeUpload({ objectId: ids.a, size: 25 }))
    assert.is(refused.code, 'invalid-format')
    assert.match(refused.message, /cancel the upload/)
    await house.api.cancelUpload(ids.a)
    await house.upload(ids.a, bytes(25))
  })

  test('a .meta that another server has written is read anew, and an old one again', async () => {
    const house = await openHouse()
    await house.upload(ids.a, bytes(25))
    house.catalogue.states.set('AN-1', 'PUBLISHED')
    const key = `data/${ids.a}.meta`
    const first = (await house.text('state', key)) ?? ''
    assert.is((await house.api.downloadSpec({ objectId: ids.a })).size, 25)
    for (const [text, size] of [
      [first.replace('"objectSize":25', '"objectSize":26'), 26],
      [first, 25],
      [first, 25],
    ] as const) {
      await house.store.put({ bucket: 'state', key }, Buffer.from(text))
      assert.is((await house.api.downloadSpec({ objectId: ids.a })).size, size)
      assert.is((await house.api.describeObject(ids.a)).size, size)
    }
  })

  test('two finalises at once both succeed, and the .meta is whole', async () => {
    const house = await openHouse()
    const spec = await house.upload(ids.a, bytes(25), { finish: false })
    await Promise.all(
      [house.api, house.another().as(tokens.system), house.another().as(tokens.study)].map((api) => api.finalizeUpload(spec)),
    )
    assert.ok((await house.api.describeObject(ids.a)).parts.every((part) => part.md5 !== undefined))
    assert.equal(await house.keys('state'), [`data/${ids.a}.meta`])
  })

  test('servers keep nothing: each request may go to another one', async () => {
    const house = await openHouse()
    const next = () => house.another().as(tokens.study)
    const spec = await next().openUpload({ objectId: ids.a, size: 25, md5: md5Hex(bytes(25)) })
    for (const part of spec.parts)
      await next().finalizePart(spec, await house.send(part, bytes(25).subarray(part.range.start, part.range.end)))
    assert.is((await next().resumeUpload({ objectId: ids.a, size: 25 })).parts.filter((part) => part.md5).length, 3)
    await next().finalizeUpload(spec)
    assert.is(await next().objectExists(ids.a), true)
  })

  test('an aborted call rejects with the reason', async () => {
    const house = await openHouse()
    const reason = new Error('enough')
    const signal = AbortSignal.abort(reason)
    const thrown = await house.api.openUpload({ objectId: ids.a, size: 25 }, { signal }).catch((error: unknown) => error)
    assert.is(thrown, reason)
  })
})

suite('objects/score-service downloads', (test) => {
  test('an unpublished object is refused, whatever the token', async () => {
    const house = await openHouse()
    await house.upload(ids.a, bytes(25))
    for (const state of ['UNPUBLISHED', 'SUPPRESSED'] as const) {
      house.catalogue.states.set('AN-1', state)
      for (const call of [house.api.downloadSpec({ objectId: ids.a }), house.api.objectUrl(ids.a)]) {
        const refused = await failure(call)
        assert.is(refused.code, 'analysis-state')
        assert.match(refused.message, new RegExp(`AN-1 .*${state}.*publish it first`))
      }
    }
    assert.is((await failure(house.api.openUpload({ objectId: ids.a, size: 5 }))).code, 'analysis-state')
  })

  test('legacy mode asks no analysis', async () => {
    const house = await openHouse()
    const service = createScoreService({
      backend: house.store,
      layout: house.layout,
      metadata: house.catalogue,
      authorizer: createOpenAuthorizer(),
      legacyMode: true,
    })
    await house.upload(ids.a, bytes(25))
    house.catalogue.calls.length = 0
    assert.is((await service.as(undefined).downloadSpec({ objectId: ids.a })).size, 25)
    assert.equal(house.catalogue.calls, [`entity ${ids.a}`])
  })

  const olds: readonly (readonly [string, (json: Record<string, unknown>) => unknown, readonly unknown[]])[] = [
    ['no objectMd5', ({ objectMd5: _, ...json }) => json, [undefined, 3]],
    ['an empty objectMd5', (json) => ({ ...json, objectMd5: '' }), [undefined, 3]],
    ['an upper-case objectMd5', (json) => ({ ...json, objectMd5: md5Hex('x').toUpperCase() }), [md5Hex('x'), 3]],
    ['relocated and unknown fields', (json) => ({ ...json, relocated: false, more: { x: 1 } }), [md5Hex(bytes(25)), 3]],
    ['no parts at all', (json) => ({ ...json, parts: [] }), [md5Hex(bytes(25)), 0]],
    [
      'no sourceMd5 and junk for md5',
      (json) => ({ ...json, parts: [{ partNumber: 1, partSize: 25, offset: 0, url: 'http://dead.invalid', md5: 'junk' }] }),
      [md5Hex(bytes(25)), 1],
    ],
  ]
  for (const [name, change, expected] of olds)
    test(`an old .meta with ${name} is read`, async () => {
      const house = await openHouse()
      await house.upload(ids.a, bytes(25))
      house.catalogue.states.set('AN-1', 'PUBLISHED')
      const key = `data/${ids.a}.meta`
      const json = JSON.parse((await house.text('state', key)) as string) as Record<string, unknown>
      await house.store.put({ bucket: 'state', key }, Buffer.from(JSON.stringify(change(json))))
      const spec = await house.api.downloadSpec({ objectId: ids.a })
      assert.equal([spec.md5, spec.parts.length], expected)
      assert.ok(spec.parts.every((part) => part.url.startsWith('https://memory.invalid/obj/data/')))
    })

  for (const text of ['', 'not json', '[]', '{"objectId":"x","objectSize":"5","parts":[]}', '{"objectId":"x","objectSize":5,"parts":null}'])
    test(`a .meta that is ${text === '' ? 'empty' : text} is an error that names it`, async () => {
      const house = await openHouse()
      house.catalogue.states.set('AN-1', 'PUBLISHED')
      await house.store.put({ bucket: 'state', key: `data/${ids.a}.meta` }, Buffer.from(text))
      const refused = await failure(house.api.downloadSpec({ objectId: ids.a }))
      assert.is(refused.code, 'invalid-format')
      assert.match(refused.message, new RegExp(`data/${ids.a}.meta`))
    })

  test('objects moved out of the pool are found where they are', async () => {
    const house = await openHouse({ layout: { poolSize: 4 } })
    await house.upload(ids.a, bytes(25))
    house.catalogue.states.set('AN-1', 'PUBLISHED')
    const move = async (from: { bucket: string; key: string }, to: { bucket: string; key: string }): Promise<void> => {
      await house.store.put(to, Buffer.concat(await collect(house.store.get(from))))
      await house.store.delete(from)
    }
    await move(house.layout.data(ids.a)[0], { bucket: 'obj', key: `data/${ids.a}` })
    await move(house.layout.meta(ids.a)[0], { bucket: 'state', key: `data/${ids.a}.meta` })
    assert.is(await house.api.objectExists(ids.a), true)
    const spec = await house.api.downloadSpec({ objectId: ids.a })
    assert.ok(spec.parts.every((part) => part.url.includes('/obj/data/')))
  })

  test('one URL for the whole object, free of a range', async () => {
    const house = await openHouse()
    await house.upload(ids.a, bytes(25))
    house.catalogue.states.set('AN-1', 'PUBLISHED')
    const { url, size, md5, objectKey } = await house.api.objectUrl(ids.a)
    assert.equal([size, md5, objectKey], [25, md5Hex(bytes(25)), `data/${ids.a}`])
    const answer = await house.store.send(url, { headers: { range: 'bytes=3-7' } })
    assert.equal(Buffer.from(await answer.arrayBuffer()), bytes(25).subarray(3, 8))
  })

  test('ready asks the store for the sentinel', async () => {
    const house = await openHouse()
    await house.service.ready()
    await house.store.delete(house.layout.sentinel)
    assert.match((await failure(house.service.ready())).message, /bucket 'obj' lacks the sentinel object 'data\/heliograph'/)
  })
})

suite('objects/score-service rights', (test) => {
  const uploads = (house: House, token: string | undefined, objectId: string) => house.service.as(token).objectExists(objectId)
  const downloads = (house: House, token: string | undefined, objectId: string) => house.service.as(token).downloadSpec({ objectId })
  type Right = typeof uploads | typeof downloads
  const rows: readonly (readonly [string, Right, string | undefined, string, string])[] = [
    ['upload', uploads, tokens.system, ids.a, 'yes'],
    ['upload', uploads, tokens.system, ids.unknown, 'yes'],
    ['upload', uploads, tokens.study, ids.a, 'yes'],
    ['upload', uploads, tokens.writer, ids.a, 'yes'],
    ['upload', uploads, tokens.reader, ids.a, 'access-denied'],
    ['upload', uploads, tokens.other, ids.a, 'access-denied'],
    ['upload', uploads, tokens.study, ids.other, 'access-denied'],
    ['upload', uploads, tokens.study, ids.unknown, 'entity-not-found'],
    ['upload', uploads, undefined, ids.open, 'access-denied'],
    ['upload', uploads, 'wrong-token-0123456789', ids.open, 'unauthenticated'],
    ['download', downloads, tokens.system, ids.a, 'yes'],
    ['download', downloads, tokens.study, ids.a, 'yes'],
    ['download', downloads, tokens.reader, ids.a, 'yes'],
    ['download', downloads, tokens.reader, ids.b, 'yes'],
    ['download', downloads, tokens.writer, ids.a, 'access-denied'],
    ['download', downloads, tokens.other, ids.b, 'access-denied'],
    ['download', downloads, undefined, ids.a, 'access-denied'],
    ['download', downloads, undefined, ids.open, 'yes'],
    ['download', downloads, tokens.other, ids.open, 'yes'],
    ['download', downloads, 'wrong-token-0123456789', ids.open, 'unauthenticated'],
    ['download', downloads, tokens.other, ids.odd, 'invalid-request'],
    ['download', downloads, tokens.system, ids.unknown, 'entity-not-found'],
  ]
  const nameOf = (map: Readonly<Record<string, string>>, value: string | undefined): string =>
    Object.entries(map).find(([, known]) => known === value)?.[0] ?? (value === undefined ? 'nobody' : 'a wrong token')
  for (const [what, right, token, objectId, expected] of rows)
    test(`${what} of '${nameOf(ids, objectId)}' by ${nameOf(tokens, token)}: ${expected}`, async () => {
      const house = await openHouse()
      for (const id of [ids.a, ids.b, ids.open]) await house.upload(id, bytes(5))
      house.catalogue.states.set('AN-1', 'PUBLISHED')
      if (expected === 'yes') await right(house, token, objectId)
      else assert.is((await failure(right(house, token, objectId) as Promise<unknown>)).code, expected)
    })

  test('system scopes ask the catalogue nothing for the right', async () => {
    const house = await openHouse()
    await house.api.objectExists(ids.a)
    assert.equal(house.catalogue.calls, [])
  })

  test('profile wants a good token, the sentinel none but no bad one', async () => {
    const house = await openHouse()
    assert.is(await house.api.profile(), 's3')
    assert.is((await failure(house.service.as(undefined).profile())).code, 'unauthenticated')
    await house.service.as(undefined).sentinelUrl()
    assert.is((await failure(house.service.as('wrong-token-0123456789').sentinelUrl())).code, 'unauthenticated')
  })

  test('lifetimes of URLs can be set', async () => {
    const house = await openHouse()
    const presign = createPresignService({ backend: house.store, downloadExpirySeconds: 60 })
    const { expiresAt } = await presign.signObject({ bucket: 'obj', key: 'data/x' })
    assert.equal(expiresAt, new Date(house.now() + 60_000))
  })
})
