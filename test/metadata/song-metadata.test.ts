import { HttpResponse, http } from 'msw'
import { setupServer } from 'msw/node'
import * as assert from 'uvu/assert'
import type { ProblemCode } from '../../src/core/errors.ts'
import type { Entity } from '../../src/metadata/metadata-service.ts'
import type { SongErrorId } from '../../src/metadata/song-error.ts'
import { createSongMetadata, type SongMetadata } from '../../src/metadata/song-metadata.ts'
import { metadataContract } from '../../src/testing.ts'
import { recordedCalls, replay } from '../client/recorded-calls.ts'
import { suite } from '../support/suite.ts'
import { goodToken, startCatalogueServer } from './catalogue-server.ts'
import { payloadOf, rejects } from './submissions.ts'

async function listAll(entities: AsyncIterable<Entity>): Promise<Entity[]> {
  const all: Entity[] = []
  for await (const entity of entities) all.push(entity)
  return all
}

suite('Song over HTTP, against the embedded catalogue', (test) => {
  const cases = metadataContract('embedded over HTTP', async () => {
    const server = await startCatalogueServer()
    return {
      catalogue: createSongMetadata({ url: server.url, token: goodToken, retry: { attempts: 1 } }),
      store: (objectId, state) => void server.stored.set(objectId, state),
      close: server.close,
    }
  })
  for (const { name, run } of cases) test(name, run)
})

suite('Song over HTTP, as recorded', (test) => {
  const calls = recordedCalls('song.jsonl')
  const study = 'ABC123'
  const published = 'bb0d72c9-5a24-4fa4-8d72-c95a245fa459'
  const waiting = '4e15b9bc-646d-4873-95b9-bc646d287359'
  const bam = '1ec0d855-a77d-5ce2-a938-f4a167528835'
  const bai = '54254870-5edc-5e74-bc57-98fb246f5c78'
  const nobody = '11111111-2070-5761-9dad-a0efeed5315a'
  const song = createSongMetadata({ url: 'http://song.test', token: 'JWT', fetch: replay(calls).fetch, retry: { attempts: 1 } })

  test('reads entity, state, file and study', async () => {
    const entity = await song.entity(bam)
    assert.equal(entity, { objectId: bam, analysisId: published, fileName: 'big.bam', study, access: 'open' })
    assert.equal(await song.file(entity), { objectId: bam, size: 104_857_600, md5: '3cf66d100f2cfeb2a2d362182389fea6' })
    assert.is(await song.analysisState({ study: 'TEST-CA', analysisId: waiting }), 'UNPUBLISHED')
    await song.ensureStudy('TEST-CA')
  })

  test('reads an analysis and its files', async () => {
    const { state, type, files } = await song.analysis('TEST-CA', waiting)
    assert.equal([state, type], ['UNPUBLISHED', 'sequencingRead'])
    const listed = await song.files('TEST-CA', waiting)
    assert.equal(files, listed)
    assert.equal(listed[0], {
      objectId: 'b3e08e60-74d9-5910-995f-f820f3e4c6d4',
      fileName: 'two.bam',
      size: 1234,
      md5: 'a'.repeat(32),
      access: 'controlled',
      type: 'BAM',
    })
  })

  test('pages entities', async () => {
    const found = await listAll(song.entities({ analysisId: published }))
    assert.equal(
      found.map((entity) => entity.objectId),
      [bam, bai],
    )
  })

  test('moves states', async () => {
    await song.publish(study, published)
    await song.suppress(study, published)
    await song.unpublish(study, published)
  })

  const recorded = (fragment: string, status: number) => calls.filter((call) => call.url.includes(fragment) && call.status === status)
  const payload = (fragment: string, status: number) =>
    JSON.parse(recorded(fragment, status)[0]?.requestBody ?? '{}') as Record<string, unknown>
  const only = (fragment: string, status: number): SongMetadata =>
    createSongMetadata({ url: 'http://song.test', token: 'JWT', fetch: replay(recorded(fragment, status)).fetch, retry: { attempts: 1 } })

  const refusals: readonly [
    what: string,
    call: () => Promise<unknown>,
    code: ProblemCode,
    errorId: SongErrorId | undefined,
    text: RegExp,
  ][] = [
    ['an unknown object', () => song.entity(nobody), 'entity-not-found', 'legacy.entity.not.found', new RegExp(nobody)],
    ['an id that is none', () => song.entity('not-a-uuid'), 'entity-not-found', 'legacy.entity.not.found', /check the id/],
    ['an unknown analysis', () => song.analysis('TEST-CA', nobody), 'analysis-not-found', 'analysis.id.not.found', /no such analysis/],
    [
      'an analysis of another study',
      () => song.analysisState({ study, analysisId: waiting }),
      'analysis-not-found',
      'entity.not.related.to.study',
      /another study/,
    ],
    [
      'publishing before the upload',
      () => song.publish('TEST-CA', waiting),
      'catalogue-conflict',
      'missing.storage.objects',
      /not every file of it is uploaded.*publish again/,
    ],
    [
      'unpublishing what is suppressed',
      () => only('unpublish', 400).unpublish(study, published),
      'analysis-state',
      'suppressed.state.transition',
      /stays so/,
    ],
    [
      'submitting twice',
      () => only('/submit/TEST-CA', 409).submit('TEST-CA', payload('/submit/TEST-CA', 409)),
      'catalogue-conflict',
      'info.already.exists',
      /same MD5/,
    ],
    [
      'submitting into no study',
      () => only('/submit/NOPE', 404).submit('NOPE', payload('/submit/NOPE', 404)),
      'analysis-not-found',
      'study.id.does.not.exist',
      /does not exist/,
    ],
    [
      'submitting without a type',
      () => only('/submit/TEST-CA', 400).submit('TEST-CA', { studyId: 'TEST-CA' }),
      'invalid-request',
      'malformed.parameter',
      /analysisType field cannot be null/,
    ],
    ['submitting without a token', () => only('/submit/TEST-CA', 401).submit('TEST-CA', {}), 'unauthenticated', undefined, /new one/],
  ]
  for (const [what, call, code, errorId, text] of refusals)
    test(`${what} is ${errorId ?? code}, without class names`, async () => {
      await rejects(call(), code, errorId, text)
      const message = await call().catch((error: Error) => error.message)
      assert.not.match(String(message), /Service|::/)
    })
})

suite('Song over HTTP, in trouble', (test) => {
  const peer = setupServer()
  test.before(() => peer.listen({ onUnhandledRequest: 'error' }))
  test.afterEach(() => peer.resetHandlers())
  test.after(() => peer.close())
  const base = 'http://song.test/api'
  const retry = { attempts: 2, baseDelayMs: 1, maximumDelayMs: 2 }
  const song = createSongMetadata({ url: base, token: 'JWT', timeoutSeconds: 60, retry })
  const impatient = createSongMetadata({ url: base, token: 'JWT', timeoutSeconds: 0.5, retry })
  const id = '1ec0d855-a77d-5ce2-a938-f4a167528835'
  const entityJson = { id, gnosId: 'A', fileName: 'a.bam', projectCode: 'S', access: 'open' }
  const stalled = () => new Promise<never>(() => undefined)
  const page = () => HttpResponse.html('<html><title>Sign in</title></html>')

  const answers: readonly [what: string, answer: () => Response | Promise<never>, code: ProblemCode, tries: number, text: RegExp][] = [
    ['no answer', stalled, 'unavailable', 2, /did not answer within 0.5 s/],
    ['a page of a proxy', page, 'unavailable', 1, /web page/],
    ['404 as a page', () => HttpResponse.html('<html>', { status: 404 }), 'invalid-request', 1, /web page/],
    ['404 without a body', () => new HttpResponse(null, { status: 404 }), 'entity-not-found', 1, /no object/],
    ['500', () => HttpResponse.json({ errorId: 'unknown.error', message: 'boom' }, { status: 500 }), 'unavailable', 2, /boom/],
    ['503 with Retry-After', () => new HttpResponse(null, { status: 503, headers: { 'Retry-After': '0' } }), 'unavailable', 2, /503/],
    ['401', () => new HttpResponse(null, { status: 401 }), 'unauthenticated', 1, /refused/],
    ['403', () => new HttpResponse(null, { status: 403 }), 'access-denied', 1, /access denied/],
    ['another entity', () => HttpResponse.json({ ...entityJson, id: 'other' }), 'unavailable', 1, /answered with other/],
    [
      'an entity without study',
      () => HttpResponse.json({ ...entityJson, projectCode: undefined }),
      'unavailable',
      1,
      /no 'projectCode'.*is that address a Song/,
    ],
    ['a list', () => HttpResponse.json([]), 'unavailable', 1, /not a JSON object/],
    [
      'a redirect to another host',
      () => HttpResponse.redirect('http://elsewhere.test/x', 302),
      'unauthenticated',
      1,
      /no access token was sent/,
    ],
  ]
  for (const [what, answer, code, tries, text] of answers)
    test(`an entity answered by ${what} is ${code}`, async () => {
      let count = 0
      const stolen: (string | null)[] = []
      peer.use(
        http.get(`${base}/entities/:id`, () => {
          count++
          return answer()
        }),
        http.get('http://elsewhere.test/x', ({ request }) => {
          stolen.push(request.headers.get('authorization'))
          return new HttpResponse(null, { status: 401 })
        }),
      )
      await rejects((what === 'no answer' ? impatient : song).entity(id), code, undefined, text)
      assert.is(count, tries)
      assert.ok(stolen.every((header) => header === null))
    })

  test('an access that is not said counts as controlled', async () => {
    for (const access of [undefined, null, '']) {
      peer.use(http.get(`${base}/entities/:id`, () => HttpResponse.json({ ...entityJson, access })))
      assert.is((await song.entity(id)).access, 'controlled')
    }
  })

  test('a file record that a Song does not have, or has in part, is no error', async () => {
    peer.use(http.get(`${base}/studies/S/files/:id`, () => new HttpResponse(null, { status: 404 })))
    assert.is(await song.file({ study: 'S', objectId: id }), undefined)
    peer.use(http.get(`${base}/studies/S/files/:id`, () => HttpResponse.json({ errorId: 'file.not.found' }, { status: 404 })))
    assert.is(await song.file({ study: 'S', objectId: id }), undefined)
    peer.use(http.get(`${base}/studies/S/files/:id`, () => HttpResponse.json({ objectId: id, fileMd5sum: 'x' })))
    assert.equal(await song.file({ study: 'S', objectId: id }), { objectId: id })
  })

  const row = (n: number) => ({ ...entityJson, id: `id-${n}` })
  const pagings: readonly [what: string, answer: (page: number) => object, ids: readonly string[] | ProblemCode][] = [
    ['two pages', (n) => ({ content: [row(n)], last: n === 1 }), ['id-0', 'id-1']],
    [
      'rows that move between pages',
      (n) => ({ content: n === 0 ? [row(1), row(2)] : [row(2), row(3)], last: n === 1 }),
      ['id-1', 'id-2', 'id-3'],
    ],
    ['no word on the last page', (n) => ({ content: n === 0 ? [row(0)] : [] }), ['id-0']],
    ['a number of pages alone', (n) => ({ content: [row(n)], totalPages: 3 }), ['id-0', 'id-1', 'id-2']],
    ['nothing, and more to come', () => ({ content: [], last: false }), []],
    ['the same page for ever', () => ({ content: [row(0)], last: false }), 'unavailable'],
    ['no content', () => ({ last: true }), 'unavailable'],
  ]
  for (const [what, answer, ids] of pagings)
    test(`a listing with ${what} ends`, async () => {
      let asked = 0
      peer.use(
        http.get(`${base}/entities`, ({ request }) => {
          asked++
          const { searchParams } = new URL(request.url)
          assert.equal(Object.fromEntries(searchParams), { size: '2000', page: searchParams.get('page'), projectCode: 'S' })
          return HttpResponse.json(answer(Number(searchParams.get('page'))))
        }),
      )
      const listed = listAll(song.entities({ study: 'S' }))
      if (typeof ids === 'string') await rejects(listed, ids)
      else
        assert.equal(
          (await listed).map((entity) => entity.objectId),
          ids,
        )
      assert.ok(asked <= 4, `${asked} pages were asked for`)
    })

  const submission = payloadOf('S', ['a.bam'])
  const waitingAnalysis = (analysisId: string, md5: string) => ({
    analysisId,
    studyId: 'S',
    analysisState: 'UNPUBLISHED',
    files: [{ objectId: 'o', fileName: 'a.bam', fileSize: 100, fileMd5sum: md5.toUpperCase() }],
  })

  test('a submission whose answer is lost is looked for, never sent again', async () => {
    let posts = 0
    peer.use(
      http.post(`${base}/submit/S`, () => {
        posts++
        return HttpResponse.error()
      }),
      http.get(`${base}/studies/S/analysis`, ({ request }) => {
        assert.is(new URL(request.url).searchParams.get('analysisStates'), 'UNPUBLISHED')
        return HttpResponse.json([waitingAnalysis('other', `${'0'.repeat(31)}f`), waitingAnalysis('made', submission.md5s[0] as string)])
      }),
    )
    assert.equal(await song.submit('S', submission), { analysisId: 'made' })
    assert.is(posts, 1)
    await rejects(song.submit('S', submission, { allowDuplicates: true }), 'unavailable', undefined, /look for it among the unpublished/)
    assert.is(posts, 2)
  })

  test('a payload with a name twice is not sent: it would break a Song', async () => {
    // No handler: a request would be an error of another kind.
    await rejects(song.submit('S', payloadOf('S', ['a.bam', 'a.bam'])), 'invalid-request', 'schema.violation', /files\/1.*'a.bam'.*twice/)
  })

  test('a submission that did not arrive is told so', async () => {
    let posts = 0
    peer.use(
      http.post(`${base}/submit/S`, () => {
        posts++
        return new HttpResponse(null, { status: 502 })
      }),
      http.get(`${base}/studies/S/analysis`, () => HttpResponse.json([])),
    )
    await rejects(song.submit('S', submission), 'unavailable', undefined, /it was not registered; try again/)
    assert.is(posts, 1)
  })

  test('a study is made with the slash that Song wants, also when another makes it first', async () => {
    let posts = 0
    peer.use(
      http.get(`${base}/studies/S`, () => HttpResponse.json({ errorId: 'study.id.does.not.exist' }, { status: 404 })),
      http.post(/\/studies\/S\/?$/, ({ request }) => {
        posts++
        assert.ok(request.url.endsWith('/studies/S/'))
        return HttpResponse.json({ errorId: 'study.already.exists' }, { status: 409 })
      }),
    )
    await song.ensureStudy('S')
    assert.is(posts, 1)
  })

  test('publishing waits longer than Song does for its Score', async () => {
    peer.use(
      http.put(`${base}/studies/S/analysis/publish/A`, async ({ request }) => {
        assert.is(new URL(request.url).search, '')
        await new Promise((resolve) => setTimeout(resolve, 700))
        return HttpResponse.json({ message: 'ok' })
      }),
    )
    await impatient.publish('S', 'A')
  })

  const publishAnswers: readonly [errorId: SongErrorId, status: number, code: ProblemCode, text: RegExp][] = [
    ['missing.storage.objects', 409, 'catalogue-conflict', /upload what is missing.*said so/],
    ['mismatching.storage.object.sizes', 409, 'catalogue-conflict', /other sizes.*said so/],
    ['mismatching.storage.object.checksums', 409, 'catalogue-conflict', /other MD5s.*said so/],
    ['analysis.type.incorrect.version', 409, 'catalogue-conflict', /newer version.*said so/],
    ['storage.service.error', 502, 'unavailable', /Score server.*said so/],
  ]
  for (const [errorId, status, code, text] of publishAnswers)
    test(`${errorId} at publication is explained`, async () => {
      peer.use(
        http.put(`${base}/studies/S/analysis/publish/A`, () =>
          HttpResponse.json({ errorId, message: `[X::${errorId}] - said so` }, { status }),
        ),
      )
      await rejects(song.publish('S', 'A'), code, errorId, text)
    })

  test('the latest of each analysis type is read over all pages, with what it requires', async () => {
    const all = Array.from({ length: 150 }, (_, n) => ({
      name: `t${n % 75}`,
      version: n < 75 ? 1 : 2,
      options: { fileTypes: n === 80 ? ['BAM'] : [] },
    }))
    peer.use(
      http.get(`${base}/schemas`, ({ request }) => {
        const { searchParams } = new URL(request.url)
        const [offset, limit] = [Number(searchParams.get('offset')), Number(searchParams.get('limit'))]
        assert.is(searchParams.get('hideSchema'), 'true')
        return HttpResponse.json({ offset, limit, count: all.length, resultSet: all.slice(offset, offset + limit) })
      }),
      http.get(`${base}/schemas/:name`, ({ params }) =>
        HttpResponse.json({ name: params['name'], schema: { required: ['studyId', String(params['name'])] } }),
      ),
    )
    const types = await song.analysisTypes()
    assert.is(types.length, 75)
    assert.equal(
      types.find((type) => type.name === 't5'),
      { name: 't5', version: 2, fileTypes: ['BAM'], required: ['studyId', 't5'] },
    )
    assert.ok(types.every((type) => type.version === 2))
  })
})
