import * as assert from 'uvu/assert'
import { type ProblemCode, problems, ScoreError } from '../../src/core/errors.ts'
import { problemFromResponse } from '../../src/wire/problem-from-response.ts'
import { legacyProblem, problemDocument } from '../../src/wire/problem-json.ts'
import { routes, routeTarget } from '../../src/wire/routes.ts'
import { suite } from '../support/suite.ts'

const now = Date.UTC(2026, 10, 24, 2, 11, 45, 866)
const codes = Object.keys(problems) as ProblemCode[]
const context = { path: '/upload/x/status', now }

suite('wire/problem-json', (test) => {
  test('old routes answer only what the original’s client can bear', () => {
    const statuses = codes.map((code) => legacyProblem(new ScoreError(code, 'm'), context).status)
    assert.equal([...new Set(statuses)].sort(), [400, 401, 403, 404, 500, 503])
  })

  test('no answer tells where the services behind are, whatever failed', () => {
    for (const code of codes) {
      const error = new ScoreError(code, 'cannot reach http://song.internal:8080/x: the S3 store at https://s3.internal did not answer')
      for (const { body, headers } of [
        legacyProblem(error, { ...context, tokenSent: true }),
        problemDocument(error, { ...context, tokenSent: true }),
      ])
        assert.not.match(`${body} ${JSON.stringify(headers)}`, /internal:|s3\.internal|song\.internal/, code)
    }
  })

  const expected: readonly (readonly [ProblemCode, number])[] = [
    ['object-exists', 400],
    ['upload-incomplete', 400],
    ['checksum-mismatch', 400],
    ['invalid-range', 400],
    ['object-changed', 400],
    ['analysis-state', 400],
    ['upload-not-found', 404],
    ['analysis-not-found', 404],
    ['unavailable', 503],
    ['store-protocol', 500],
    ['invalid-configuration', 500],
  ]
  for (const [code, status] of expected)
    test(`${code} is ${status}`, () => assert.is(legacyProblem(new ScoreError(code, 'm'), context).status, status))

  test('the body has the original’s keys and a message', () =>
    assert.is(
      legacyProblem(new ScoreError('upload-not-found', 'begin it'), context).body,
      '{"timestamp":"2026-11-24T02:11:45.866+00:00","status":404,"error":"Not Found","message":"begin it","path":"/upload/x/status"}',
    ))

  test('401 is empty; the challenge says whether a token was sent', () => {
    const error = new ScoreError('unauthenticated', 'the "token" is\r\nno good')
    const without = legacyProblem(error, context)
    assert.equal([without.body, without.contentType, without.headers['WWW-Authenticate']], ['', undefined, 'Bearer'])
    const sent = legacyProblem(error, { ...context, tokenSent: true }).headers['WWW-Authenticate']
    assert.is(
      sent,
      'Bearer error="invalid_token", error_description="the  token  is  no good", error_uri="https://tools.ietf.org/html/rfc6750#section-3.1"',
    )
  })

  test('403 is the recorded sentence of the route, JSON elsewhere', () => {
    const error = new ScoreError('access-denied', 'm')
    assert.is(legacyProblem(error, { ...context, right: 'upload' }).body, 'Token missing required scope to update project')
    const download = legacyProblem(error, { ...context, right: 'download' })
    assert.equal(
      [download.body, download.contentType],
      ['Token missing required scope to download controlled-access file', 'text/plain;charset=UTF-8'],
    )
    assert.is(JSON.parse(legacyProblem(error, context).body).message, 'm')
  })

  test('secrets in messages go no further', () => {
    const error = new ScoreError('unavailable', 'GET https://s/x?X-Amz-Signature=abc with Bearer abc.def failed')
    for (const { body } of [legacyProblem(error, context), problemDocument(error, context)]) assert.not.match(body, /abc/)
  })

  for (const code of ['local-storage', 'internal', 'invalid-configuration'] as const) {
    test(`${code} tells no place of the server's files`, () => {
      const error = new ScoreError(code, "cannot write '/srv/score/objects/x' or 'C:\\\\score\\\\x': no space left on device")
      for (const { body } of [legacyProblem(error, context), problemDocument(error, context)]) {
        assert.not.match(body, /srv|C:/)
        assert.match(body, /cannot write '…' or '…': no space left/)
      }
    })
  }

  test('a wait that was asked for is passed on', () => {
    const error = new ScoreError('unavailable', 'm', { retryAfterSeconds: 2.5 })
    assert.is(legacyProblem(error, context).headers['Retry-After'], '3')
    assert.is(problemDocument(error, context).headers['Retry-After'], '3')
  })

  test('new routes answer with the code’s status and RFC 9457', () => {
    const { status, contentType, body } = problemDocument(new ScoreError('object-exists', 'there'), { path: '/x' })
    assert.equal([status, contentType], [409, 'application/problem+json'])
    assert.is(body, '{"type":"about:blank","title":"Conflict","status":409,"detail":"there","instance":"/x","code":"object-exists"}')
  })
})

suite('wire/problem-from-response', (test) => {
  const peer = { peer: 'the Score server at http://s', doing: 'upload of x' }
  for (const code of codes)
    test(`${code} survives an old route and a new one`, () => {
      for (const answer of [legacyProblem(new ScoreError(code, 'why'), context), problemDocument(new ScoreError(code, 'why'), context)]) {
        const error = problemFromResponse({ status: answer.status, headers: new Headers({ ...answer.headers }), body: answer.body }, peer)
        assert.is(error.code, code)
        if (answer.body !== '') assert.match(error.message, code === 'access-denied' && answer.status === 403 ? /./ : /why/)
      }
    })

  const original = '{"timestamp":"2026-11-24T02:11:45.866+00:00","status":400,"error":"Bad Request","path":"/upload/x"}'
  const rows: readonly (readonly [string, number, string, Readonly<Record<string, string>>, keyof typeof routes, ProblemCode, RegExp])[] = [
    ['the original’s 400 of a finalise', 400, original, {}, 'finalizeUpload', 'upload-incomplete', /400: Bad Request/],
    ['the original’s 400 of a download', 400, original, {}, 'download', 'analysis-state', /400: its analysis seems not to be PUBLISHED/],
    ['the original’s 400 of a part', 400, original, {}, 'finalizePart', 'part-mismatch', /Bad Request/],
    ['the original’s 404 of a status', 404, original, {}, 'uploadStatus', 'upload-not-found', /./],
    [
      'a sentence',
      403,
      'Token missing required scope to update project',
      {},
      'openUpload',
      'access-denied',
      /403: Token missing required scope/,
    ],
    ['an empty 401', 401, '', {}, 'openUpload', 'unauthenticated', /token is missing, wrong or has run out/],
    ['an empty 404', 404, '', {}, 'download', 'object-not-found', /answered 404$/],
    ['a 500', 500, original, {}, 'openUpload', 'internal', /500/],
    ['a 503', 503, '', {}, 'openUpload', 'unavailable', /503/],
    [
      'a gateway’s page',
      502,
      '<html><head><title>Bad  Gateway</title></head></html>',
      {},
      'openUpload',
      'unavailable',
      /web page titled 'Bad Gateway'/,
    ],
    [
      'a login page',
      403,
      '<!DOCTYPE html><p>log in',
      { 'content-type': 'text/html' },
      'openUpload',
      'store-protocol',
      /web page; check the address/,
    ],
    ['a proxy that wants credentials', 407, '', {}, 'openUpload', 'store-protocol', /proxy in between wants credentials/],
    ['too many requests', 429, 'slow down', {}, 'openUpload', 'unavailable', /slow down/],
    ['a method not allowed', 405, original, {}, 'openUpload', 'store-protocol', /405/],
  ]
  for (const [name, status, body, headers, route, code, message] of rows)
    test(`${name} is ${code}`, () => {
      const error = problemFromResponse({ status, headers: new Headers(headers), body }, { ...peer, meanings: routes[route].meanings })
      assert.is(error.code, code)
      assert.match(error.message, message)
      assert.match(error.message, /^upload of x: the Score server at http:\/\/s answered/)
    })

  test('a long body is cut, a signed URL in it is not shown', () => {
    const body = `broken: https://s/x?sig=secret ${'y'.repeat(5000)}`
    const { message } = problemFromResponse({ status: 500, headers: new Headers(), body }, peer)
    assert.ok(message.length < 500)
    assert.not.match(message, /secret/)
  })

  test('the wait is kept', () =>
    assert.is(problemFromResponse({ status: 503, headers: new Headers(), body: '', retryAfterSeconds: 7 }, peer).retryAfterSeconds, 7))
})

suite('wire/routes', (test) => {
  test('targets are the recorded ones', () => {
    assert.is(
      routeTarget(routes.openUpload, 'x', { fileSize: 5, overwrite: true, md5: 'abc' }),
      '/upload/x/uploads?fileSize=5&overwrite=true&md5=abc',
    )
    assert.is(
      routeTarget(routes.download, 'x', { offset: 0, length: -1, 'exclude-urls': true }),
      '/download/x?offset=0&length=-1&exclude-urls=true',
    )
    assert.is(routeTarget(routes.profile, undefined), '/profile')
  })
  test('an odd id cannot leave its place', () => assert.is(routeTarget(routes.objectExists, '../?x'), '/upload/..%2F%3Fx'))
})
