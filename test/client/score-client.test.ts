import { HttpResponse, http } from 'msw'
import { setupServer } from 'msw/node'
import * as assert from 'uvu/assert'
import type { ScoreApi } from '../../src/api/score-api.ts'
import { createScoreClient } from '../../src/client/score-client.ts'
import { isScoreError, type ProblemCode } from '../../src/core/errors.ts'
import { suite } from '../support/suite.ts'
import { recordedCalls, replay } from './recorded-calls.ts'

// Recorded without the parameter, which is false unless it is said.
const calls = recordedCalls('score-calls.jsonl').map((call) =>
  call.case === 'u-exists-obj' ? { ...call, url: `${call.url}&overwrite=false` } : call,
)
const small = '27612507-2070-5761-9dad-a0efeed5315a'
const big = 'd0522915-f5b6-584e-8409-c12fa928d089'
const unknown = '11111111-2070-5761-9dad-a0efeed5315a'
const begun = 'cccccccc-775b-5259-bbbd-555e07fbdf24'
const gone = 'bbbbbbbb-775b-5259-bbbd-555e07fbdf24'
const controlled = '576f7386-e626-5d99-ae63-1b3ce9de308b'
const smallMd5 = '064890450d38fd927a444c45121e045d'
const once = { attempts: 1 }

function clientOf(cases: readonly string[], token: string | undefined = 'JWT'): { readonly api: ScoreApi; readonly asked: string[] } {
  const { fetch, asked } = replay(calls.filter((call) => cases.includes(call.case ?? '')))
  return { asked, api: createScoreClient({ url: 'http://score.test', ...(token === '' ? {} : { token }), fetch, retry: once }) }
}

async function rejects(work: Promise<unknown>, code: ProblemCode, text?: RegExp): Promise<void> {
  const outcome = await work.then(
    () => 'resolved',
    (error: unknown) => error,
  )
  assert.ok(isScoreError(outcome), `not a ScoreError: ${String(outcome)}`)
  assert.is(outcome.code, code, outcome.message)
  if (text) assert.match(outcome.message, text)
  assert.not.match(outcome.message, /JWT|SIG/)
}

suite('score client against the original, as recorded', (test) => {
  test('walks through an upload with the calls and parameters of the contract', async () => {
    const { api, asked } = clientOf(['up-small'])
    assert.is(await api.profile(), 's3')
    assert.match(await api.sentinelUrl(), /^http:\/\/127\.0\.0\.1:9010\/score\.data\/data\/heliograph\?/)
    assert.is(await api.objectExists(small), false)
    await rejects(api.resumeUpload({ objectId: small, size: 1000 }), 'upload-not-found')
    const spec = await api.openUpload({ objectId: small, size: 1000, md5: smallMd5, overwrite: true })
    assert.is(spec.size, 1000)
    assert.is(spec.md5, smallMd5)
    assert.equal(
      spec.parts.map((part) => [part.number, part.range, part.md5, part.url.startsWith('http://127.0.0.1:9010/')]),
      [[1, { start: 0, end: 1000 }, undefined, true]],
    )
    const upload = { objectId: small, uploadId: spec.uploadId }
    await api.finalizePart(upload, { number: 1, md5: smallMd5, etag: smallMd5 })
    await api.finalizeUpload(upload)
    assert.equal(asked, [
      'GET /profile',
      'GET /download/ping',
      `GET /upload/${small}`,
      `GET /upload/${small}/status?fileSize=1000`,
      `POST /upload/${small}/uploads?fileSize=1000&overwrite=true&md5=${smallMd5}`,
      `POST /upload/${small}/parts?uploadId=${spec.uploadId}&partNumber=1&md5=${smallMd5}&etag=${smallMd5}`,
      `POST /upload/${small}?uploadId=${spec.uploadId}`,
    ])
  })

  test('sees the parts that are held, in an upload that is resumed', async () => {
    const { api } = clientOf(['up-small', 'u-status', 'u-status-wrongsize', 'u-part-del', 'u-abort', 'u-init'])
    const progress = await api.resumeUpload({ objectId: begun, size: 45_000_000 })
    assert.equal(
      progress.parts.map((part) => part.range),
      [
        { start: 0, end: 20971520 },
        { start: 20971520, end: 41943040 },
        { start: 41943040, end: 45000000 },
      ],
    )
    await rejects(api.resumeUpload({ objectId: begun, size: 1 }), 'size-changed')
    await api.deletePart(progress, 1)
    await api.cancelUpload(begun)
  })

  const refusals: readonly [
    what: string,
    cases: readonly string[],
    call: (api: ScoreApi) => Promise<unknown>,
    code: ProblemCode,
    text: RegExp,
  ][] = [
    [
      'starting over an object that exists',
      ['u-exists-obj', 'up-exists'],
      (api) => api.openUpload({ objectId: small, size: 1000 }),
      'object-exists',
      /exists already.*--force/,
    ],
    [
      'uploading into a published analysis',
      ['up-published'],
      (api) => api.openUpload({ objectId: small, size: 1000, md5: smallMd5, overwrite: true }),
      'invalid-request',
      /starting the upload/,
    ],
    [
      'uploading what is not registered',
      ['up-unregistered'],
      (api) => api.openUpload({ objectId: unknown, size: 1000, md5: smallMd5, overwrite: true }),
      'entity-not-found',
      new RegExp(unknown),
    ],
    [
      'a study one has no right to',
      ['up-otherstudy'],
      (api) => api.objectExists(controlled),
      'access-denied',
      /Token missing required scope to update project.*ask whoever/,
    ],
    ['a bad token', ['up-badkey'], (api) => api.profile(), 'unauthenticated', /refused.*new one/],
    [
      'a part that the store does not hold',
      ['u-part-empty'],
      (api) => api.finalizePart(uploadOf('u-part-empty'), { number: 1, md5: '', etag: '' }),
      'part-mismatch',
      /part 1/,
    ],
    [
      'a part of an unknown upload',
      ['u-part-badid'],
      (api) => api.finalizePart({ objectId: begun, uploadId: 'zzz' }, { number: 1, md5: '0123', etag: '0123' }),
      'unavailable',
      /part 1/,
    ],
    [
      'joining with parts missing',
      ['u-fin-missing'],
      (api) => api.finalizeUpload(uploadOf('u-fin-missing')),
      'upload-incomplete',
      /finishing/,
    ],
    ['cancelling what is not there', ['u-abort2'], (api) => api.cancelUpload(begun), 'upload-not-found', /cancelling/],
    ['an unpublished object', ['dl-unpublished'], (api) => api.downloadSpec({ objectId: small }), 'analysis-state', new RegExp(small)],
    ['an object whose bytes are missing', ['dl-gone'], (api) => api.downloadSpec({ objectId: gone }), 'internal', new RegExp(gone)],
    ['an id that is none', ['r-dl-notuuid'], (api) => api.downloadSpec({ objectId: 'not-a-uuid' }), 'object-not-found', /not-a-uuid/],
    [
      'the listing without a token',
      ['r-listing-notoken'],
      (api) => api.listObjects()[Symbol.asyncIterator]().next(),
      'unauthenticated',
      /new one|ACCESSTOKEN/,
    ],
  ]
  for (const [what, cases, call, code, text] of refusals) test(`${what} is ${code}`, () => rejects(call(clientOf(cases).api), code, text))

  test('a controlled object without a token is the token’s matter', async () => {
    const { api } = clientOf(['dl-controlled-notoken'], '')
    await rejects(api.downloadSpec({ objectId: controlled }), 'access-denied', /Token missing required scope to download/)
    assert.is(await api.profile(), 's3', 'the original keeps /profile from anonymous callers')
  })

  test('downloads the whole with the parts as uploaded, a range with its own', async () => {
    const { api, asked } = clientOf(['dl-big', 'dl-range-noval', 'r-dl-zero', 'r-dl-range-end'])
    const whole = await api.downloadSpec({ objectId: big })
    assert.is(whole.size, 104_857_600)
    assert.is(whole.md5, '3cf66d100f2cfeb2a2d362182389fea6')
    assert.is(whole.parts.length, 5)
    assert.is(whole.parts[0]?.md5, '8832c58f73a858b5415876744f7420e7')
    const range = await api.downloadSpec({ objectId: big, range: { start: 1000, end: 30_001_000 } })
    assert.is(range.parts[0]?.range.start, 1000)
    assert.is(range.parts.at(-1)?.range.end, 30_001_000)
    assert.is((await api.downloadSpec({ objectId: big, range: { start: 104_857_599 } })).size, 1)
    assert.equal((await api.downloadSpec({ objectId: big, range: { start: 0, end: 0 } })).parts, [])
    assert.equal(asked, [
      `GET /download/${big}?offset=0&length=-1`,
      `GET /download/${big}?offset=1000&length=30000000`,
      `GET /download/${big}?offset=104857599&length=-1`,
      `GET /download/${big}?offset=0&length=0`,
    ])
  })

  test('describes without URLs, gives one URL, lists', async () => {
    const { api } = clientOf(['r-dl-excl', 'url', 'r-listing'])
    const described = await api.describeObject(big)
    assert.is(described.size, 104_857_600)
    assert.ok(described.parts.every((part) => !('url' in part)))
    const { url, expiresAt, size, md5 } = await api.objectUrl('aaaaaaaa-775b-5259-bbbd-555e07fbdf24')
    assert.match(url, /X-Amz-Expires=86400/)
    assert.is(expiresAt.toISOString(), '2026-11-25T02:17:49.000Z')
    assert.is(size, undefined)
    assert.is(md5, 'f28ec122ed8b5d644b9e5bd248f7595a')
    const listed = []
    for await (const object of api.listObjects()) listed.push(object)
    assert.equal(listed[0], { objectId: small, size: 1000, lastModified: new Date(1795486357896) })
  })

  test('asks nothing that cannot be', async () => {
    const { api, asked } = clientOf([])
    await rejects(api.openUpload({ objectId: small, size: 0 }), 'invalid-request', /at least one/)
    await rejects(api.downloadSpec({ objectId: small, range: { start: 5, end: 4 } }), 'invalid-range')
    await rejects(api.downloadSpec({ objectId: small, range: { start: -1 } }), 'invalid-range')
    await rejects(api.objectExists('..'), 'invalid-request')
    assert.equal(asked, [])
  })
})

function uploadOf(name: string): { readonly objectId: string; readonly uploadId: string } {
  const call = calls.find((candidate) => candidate.case === name)
  const uploadId = new URL(call?.url ?? '', 'http://peer').searchParams.get('uploadId')
  return { objectId: begun, uploadId: uploadId ?? '' }
}

suite('score client in trouble', (test) => {
  const peer = setupServer()
  test.before(() => peer.listen({ onUnhandledRequest: 'error' }))
  test.afterEach(() => peer.resetHandlers())
  test.after(() => peer.close())
  const api = createScoreClient({
    url: 'http://score.test/prefix',
    token: 'JWT',
    retry: { attempts: 3, baseDelayMs: 1, maximumDelayMs: 2 },
  })
  const page = () => HttpResponse.html('<html><title>Sign in</title></html>')

  const rows: readonly [
    what: string,
    answer: () => Response,
    call: () => Promise<unknown>,
    code: ProblemCode,
    tries: number,
    text: RegExp,
  ][] = [
    ['a login page as profile', page, () => api.profile(), 'unavailable', 1, /web page.*login page/],
    ['a login page with 404', () => HttpResponse.html('<html>', { status: 404 }), () => api.profile(), 'store-protocol', 1, /web page/],
    ['a login page as spec', page, () => api.downloadSpec({ objectId: big }), 'unavailable', 1, /web page/],
    ['a login page as existence', page, () => api.objectExists(big), 'unavailable', 1, /web page/],
    ['a word as existence', () => HttpResponse.text('maybe'), () => api.objectExists(big), 'invalid-format', 1, /neither true nor false/],
    ['a word as ping', () => HttpResponse.text('pong'), () => api.sentinelUrl(), 'invalid-format', 1, /no URL/],
    [
      'an object as listing',
      () => HttpResponse.json({}),
      () => api.listObjects()[Symbol.asyncIterator]().next(),
      'invalid-format',
      1,
      /not a list/,
    ],
    [
      'a spec without parts',
      () => HttpResponse.json({ objectId: big, objectSize: 1 }),
      () => api.downloadSpec({ objectId: big }),
      'invalid-format',
      1,
      /parts/,
    ],
    [
      'a spec of another object',
      () => HttpResponse.json({ objectId: small, objectSize: 0, parts: [] }),
      () => api.downloadSpec({ objectId: big }),
      'invalid-format',
      1,
      /another object/,
    ],
    [
      '503 all along',
      () => new HttpResponse(null, { status: 503, headers: { 'Retry-After': '0' } }),
      () => api.finalizeUpload({ objectId: big, uploadId: 'u' }),
      'unavailable',
      3,
      /finishing/,
    ],
    [
      '500',
      () => HttpResponse.json({ status: 500, error: 'Internal Server Error' }, { status: 500 }),
      () => api.downloadSpec({ objectId: big }),
      'internal',
      1,
      /Internal Server Error/,
    ],
    [
      'a code of ours in an old status',
      () => HttpResponse.json({ message: 'not yet' }, { status: 400, headers: { 'Score-Problem': 'checksum-mismatch' } }),
      () => api.openUpload({ objectId: big, size: 5 }),
      'checksum-mismatch',
      1,
      /not yet/,
    ],
    [
      'a part that does not match',
      () => HttpResponse.json({}, { status: 400 }),
      () => api.finalizePart({ objectId: big, uploadId: 'u' }, { number: 7, md5: 'a', etag: 'b' }),
      'part-mismatch',
      1,
      /part 7/,
    ],
    [
      'a redirect of a write',
      () => HttpResponse.redirect('https://elsewhere.test/x', 307),
      () => api.finalizePart({ objectId: big, uploadId: 'u' }, { number: 7, md5: 'a', etag: 'b' }),
      'invalid-configuration',
      1,
      /sends on to https:\/\/elsewhere.test/,
    ],
  ]
  for (const [what, answer, call, code, tries, text] of rows)
    test(`${what} is ${code}, after ${tries} tries`, async () => {
      let count = 0
      peer.use(
        http.all('http://score.test/prefix/*', () => {
          count++
          return answer()
        }),
      )
      await rejects(call(), code, text)
      assert.is(count, tries)
    })

  test('goes on when the trouble passes', async () => {
    let count = 0
    peer.use(http.post('http://score.test/prefix/upload/:id/parts', () => new HttpResponse(null, { status: ++count < 3 ? 503 : 200 })))
    await api.finalizePart({ objectId: big, uploadId: 'u' }, { number: 1, md5: 'a', etag: 'b' })
    assert.is(count, 3)
  })

  test('a service without /profile speaks S3, whatever else it says but az', async () => {
    const said: (() => Response)[] = [
      () => HttpResponse.json({ status: 404 }, { status: 404 }),
      () => HttpResponse.text('s3\n'),
      () => HttpResponse.text('collaboratory'),
      () => HttpResponse.text('az'),
    ]
    const heard = []
    for (const answer of said) {
      peer.use(http.get('http://score.test/prefix/profile', answer))
      heard.push(await api.profile())
    }
    assert.equal(heard, ['s3', 's3', 's3', 'az'])
  })
})
