import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import Koa from 'koa'
import * as assert from 'uvu/assert'
import { createScoreMiddleware } from '../../../adapters/server/index.ts'
import { createIntrospectionVerifier } from '../../../src/auth/introspection-verifier.ts'
import { createJwtVerifier } from '../../../src/auth/jwt-verifier.ts'
import { createStudyAuthorizer } from '../../../src/auth/study-authorizer.ts'
import { createTokenRouter } from '../../../src/auth/token-router.ts'
import type { AnalysisState } from '../../../src/metadata/metadata-service.ts'
import { createScoreService } from '../../../src/objects/score-service.ts'
import { confusedToken, makeKey, makeToken, seconds, testTime, unsignedToken } from '../../auth/token-maker.ts'
import { bytes, type House, ids, openHouse, partPlan } from '../../objects/score-house.ts'
import { suite } from '../../support/suite.ts'

/**
 * The policy of the whole server, once, as tables: who may do what to an object of study ABC123. Every combination of token,
 * access, state and action is asked over HTTP, and compared.
 */
interface Caller {
  /** Value of the `Authorization` header; absent: it is not sent. */
  readonly header?: () => Promise<string> | string
  /** `bad`: the token is refused, whatever is asked. `nobody`: there is none. */
  readonly is: 'good' | 'bad' | 'nobody'
  readonly isMalformed?: true
  readonly read?: 'system' | 'study'
  readonly write?: 'system' | 'study'
}

const key = makeKey('one')
const stranger = makeKey('one')
const apiKeys = {
  reader: '6a9b1c5e-7d3f-4e2a-9b8c-0d1e2f3a4b5c',
  system: '7a9b1c5e-7d3f-4e2a-9b8c-0d1e2f3a4b5c',
  unknown: '8a9b1c5e-7d3f-4e2a-9b8c-0d1e2f3a4b5c',
  revoked: '9a9b1c5e-7d3f-4e2a-9b8c-0d1e2f3a4b5c',
}
const jwt =
  (...scope: readonly string[]) =>
  async () =>
    `Bearer ${await makeToken(key, { claims: { context: { scope } } })}`
const claims = (changes: Readonly<Record<string, unknown>>) => async () =>
  `Bearer ${await makeToken(key, { claims: { context: { scope: ['score.READ', 'score.WRITE'] }, ...changes } })}`

const callers: Readonly<Record<string, Caller>> = {
  'without a token': { is: 'nobody' },
  'another scheme': { is: 'nobody', header: () => 'Basic YTpi' },
  'a token without scopes': { is: 'good', header: jwt() },
  'the system’s scopes': { is: 'good', read: 'system', write: 'system', header: jwt('score.READ', 'score.WRITE') },
  'the system’s, in another case': { is: 'good', read: 'system', write: 'system', header: jwt('SCORE.read', 'score.write') },
  'the system’s to read': { is: 'good', read: 'system', header: jwt('score.READ') },
  'the system’s to write': { is: 'good', write: 'system', header: jwt('score.WRITE') },
  'the study’s scopes': { is: 'good', read: 'study', write: 'study', header: jwt('PROGRAMDATA-ABC123.READ', 'PROGRAMDATA-ABC123.WRITE') },
  'the study’s, in another case': {
    is: 'good',
    read: 'study',
    write: 'study',
    header: jwt('programdata-abc123.read', 'ProgramData-Abc123.Write'),
  },
  'the study’s to read': { is: 'good', read: 'study', header: jwt('PROGRAMDATA-ABC123.READ') },
  'the study’s to write': { is: 'good', write: 'study', header: jwt('PROGRAMDATA-ABC123.WRITE') },
  'those of another study': { is: 'good', header: jwt('PROGRAMDATA-TEST-CA.READ', 'PROGRAMDATA-TEST-CA.WRITE') },
  'those of a study whose name begins so': { is: 'good', header: jwt('PROGRAMDATA-ABC1234.READ', 'PROGRAMDATA-ABC1234.WRITE') },
  'wild cards, and names without prefix': {
    is: 'good',
    header: jwt('PROGRAMDATA-*.READ', 'PROGRAMDATA-.READ', 'ABC123.READ', '*', 'ABC123.WRITE'),
  },
  'the catalogue’s scope': { is: 'good', header: jwt('song.WRITE', 'song.READ') },
  'an API key of the study': { is: 'good', read: 'study', header: () => `Bearer ${apiKeys.reader}` },
  'an API key of the system': { is: 'good', read: 'system', write: 'system', header: () => `bearer ${apiKeys.system}` },
  'an API key that nobody knows': { is: 'bad', header: () => `Bearer ${apiKeys.unknown}` },
  'a revoked API key': { is: 'bad', header: () => `Bearer ${apiKeys.revoked}` },
  'an expired token': { is: 'bad', header: claims({ exp: seconds - 61 }) },
  'a token of tomorrow': { is: 'bad', header: claims({ nbf: seconds + 86_400 }) },
  'a token of another issuer': { is: 'bad', header: claims({ iss: 'https://other.test' }) },
  'a token for another service': { is: 'bad', header: claims({ aud: 'other' }) },
  'a token signed by a stranger': { is: 'bad', header: async () => `Bearer ${await makeToken(stranger)}` },
  'a token that is not signed': { is: 'bad', header: () => `Bearer ${unsignedToken()}` },
  'a token signed with the public key': { is: 'bad', header: () => `Bearer ${confusedToken(key)}` },
  'a malformed header': { is: 'bad', isMalformed: true, header: () => 'Bearer a b' },
}

/** As the catalogue spells it, and what it comes to. */
const accesses = { open: 'open', OPEN: 'open', controlled: 'controlled', '': 'controlled', null: 'controlled', secret: 'odd' } as const
type Access = (typeof accesses)[keyof typeof accesses]
const words = Object.entries(accesses)
const states: readonly AnalysisState[] = ['PUBLISHED', 'UNPUBLISHED', 'SUPPRESSED']

type Outcome = 'yes' | 'unauthenticated' | 'access-denied' | 'analysis-state' | 'invalid-request' | 'upload-not-found' | 'hidden'

interface Situation {
  readonly caller: Caller
  readonly access: Access
  readonly state: AnalysisState
}

/** Upload rights: access does not matter. A request without the header is malformed to the original. */
function mayUpload({ caller }: Situation): Outcome {
  if (caller.is === 'bad') return 'unauthenticated'
  if (caller.header === undefined) return 'invalid-request'
  return caller.write === undefined ? 'access-denied' : 'yes'
}

function mayDownload({ caller, access }: Situation): Outcome {
  if (caller.is === 'bad') return 'unauthenticated'
  if (caller.read === 'system') return 'yes'
  if (access === 'odd') return 'invalid-request'
  return access === 'open' || caller.read === 'study' ? 'yes' : 'access-denied'
}

/** What is not published is described to those who may read all of the study, or fill it; open or not. */
function mayDescribe(situation: Situation): Outcome {
  const { caller, state } = situation
  if (caller.is === 'bad' || caller.read === 'system' || state === 'PUBLISHED') return mayDownload(situation)
  return caller.read === 'study' || caller.write !== undefined ? 'yes' : 'access-denied'
}

function maySee(situation: Situation): Outcome {
  const { caller, state } = situation
  if (caller.is !== 'good') return 'unauthenticated'
  if (caller.read === 'system') return 'yes'
  return state === 'PUBLISHED' && mayDownload(situation) === 'yes' ? 'yes' : 'hidden'
}

/** Nobody: an upload is cancelled by its object alone. */
function mayCancelAll({ caller }: Situation): Outcome {
  return caller.isMalformed ? 'unauthenticated' : 'invalid-request'
}

interface Action {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  readonly may: (situation: Situation) => Outcome
  /** The state in which it is possible for those who may. */
  readonly needs?: AnalysisState
  /** What those who may get, where it is not 200: no upload is in progress. */
  readonly ends?: Outcome
}

const upload = `/upload/${ids.a}`
const download = `/download/${ids.a}?offset=0&length=-1`
const part = `partNumber=1&md5=${'0'.repeat(32)}&etag=${'0'.repeat(32)}`
const actions: Readonly<Record<string, Action>> = {
  download: { method: 'GET', path: download, may: mayDownload, needs: 'PUBLISHED' },
  'download of a range': { method: 'GET', path: `/download/${ids.a}?offset=5&length=10`, may: mayDownload, needs: 'PUBLISHED' },
  'one URL for the whole': { method: 'GET', path: `${download}&external=true`, may: mayDownload, needs: 'PUBLISHED' },
  description: { method: 'GET', path: `${download}&exclude-urls=true`, may: mayDescribe },
  'description for the whole': { method: 'GET', path: `${download}&external=true&exclude-urls=true`, may: mayDescribe },
  'a part, registered': { method: 'POST', path: `${upload}/parts?uploadId=none&${part}`, may: mayUpload, ends: 'upload-not-found' },
  'a part, deleted': { method: 'DELETE', path: `${upload}/parts?uploadId=none&partNumber=1`, may: mayUpload },
  'upload, finished': { method: 'POST', path: `${upload}?uploadId=none`, may: mayUpload, ends: 'upload-not-found' },
  'upload, resumed': { method: 'GET', path: `${upload}/status?fileSize=25`, may: mayUpload, ends: 'upload-not-found' },
  'upload, recovered': { method: 'POST', path: `${upload}/recovery?fileSize=25`, may: mayUpload, ends: 'upload-not-found' },
  'upload, cancelled': { method: 'DELETE', path: upload, may: mayUpload, ends: 'upload-not-found' },
  existence: { method: 'GET', path: upload, may: mayUpload },
  'test of uploads': { method: 'GET', path: `/upload/test/${ids.a}`, may: mayUpload },
  'all uploads, cancelled': { method: 'POST', path: '/upload/cancel', may: mayCancelAll },
  listing: { method: 'GET', path: '/listing', may: maySee },
}

/** Alone: while it is in progress the others would find it. */
const beginning: Action = { method: 'POST', path: `${upload}/uploads?fileSize=25&overwrite=true`, may: mayUpload, needs: 'UNPUBLISHED' }

function expectedOf({ may, needs, ends = 'yes' }: Action, situation: Situation): Outcome {
  const outcome = may(situation)
  if (outcome !== 'yes') return outcome
  return needs !== undefined && needs !== situation.state ? 'analysis-state' : ends
}

const statusOf: Readonly<Record<Outcome, number>> = {
  yes: 200,
  hidden: 200,
  unauthenticated: 401,
  'access-denied': 403,
  'analysis-state': 400,
  'invalid-request': 400,
  'upload-not-found': 404,
}

function openVerifier() {
  const answer: typeof fetch = async (input, init) => {
    const request = new Request(input, init)
    if (request.url.endsWith('/jwks')) return Response.json({ keys: [key.jwk] })
    const sent = (await request.formData()).get('apiKey')
    if (sent === apiKeys.reader) return Response.json({ user_id: 'a', exp: 3600, scope: ['PROGRAMDATA-ABC123.READ'] })
    if (sent === apiKeys.system) return Response.json({ user_id: 'a', exp: 3600, scope: ['score.READ', 'score.WRITE'] })
    if (sent === apiKeys.revoked) return Response.json({ user_id: 'a', exp: 0, revoked: true, scope: ['score.READ'] })
    return Response.json({ error: 'unknown' }, { status: 401 })
  }
  const asked = { fetch: answer, now: () => testTime, retry: { attempts: 1 } }
  return createTokenRouter({
    jwts: createJwtVerifier({ ...asked, keys: { jwksUrl: 'https://issuer.test/jwks' }, issuer: 'https://issuer.test', audience: 'score' }),
    apiKeys: createIntrospectionVerifier({ ...asked, url: 'https://issuer.test/check', dialect: 'ego', clientId: 'a', clientSecret: 'b' }),
  })
}

suite('adapters/server: the policy, every combination', (test) => {
  let house: House
  let server: Server
  let base = ''
  test.before(async () => {
    house = await openHouse()
    await house.upload(ids.a, bytes(25))
    const authorizer = createStudyAuthorizer({ verifier: openVerifier(), metadata: house.catalogue })
    const service = createScoreService({ backend: house.store, layout: house.layout, metadata: house.catalogue, authorizer, partPlan })
    const app = new Koa()
    app.silent = true
    app.use(createScoreMiddleware({ service }))
    server = createServer(app.callback())
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  test.after(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })

  const ask = async ({ method, path }: Action, authorization: string | undefined): Promise<Outcome> => {
    const answer = await fetch(`${base}${path}`, { method, headers: authorization === undefined ? {} : { authorization } })
    const text = await answer.text()
    const outcome = (answer.headers.get('score-problem') ?? (path === '/listing' && !text.includes(ids.a) ? 'hidden' : 'yes')) as Outcome
    assert.is(answer.status, statusOf[outcome], `${method} ${path}: ${answer.status} for ${outcome}`)
    // An upload that was begun is ended, so that the next caller finds the same.
    if (outcome === 'yes' && path === beginning.path) await house.api.cancelUpload(ids.a)
    return outcome
  }

  let compared = 0
  for (const [name, caller] of Object.entries(callers))
    test(name, async () => {
      const header = await caller.header?.()
      // A bad token is looked at alone: what is asked for never matters.
      const some = caller.is === 'bad' ? 1 : undefined
      for (const [spelling, access] of words.slice(0, some))
        for (const state of states.slice(0, some)) {
          house.catalogue.rows.set(ids.a, { objectId: ids.a, analysisId: 'AN-1', study: 'ABC123', access: spelling, fileName: 'a.bam' })
          house.catalogue.states.set('AN-1', state)
          const compare = async ([what, action]: readonly [string, Action]): Promise<void> => {
            const expected = expectedOf(action, { caller, access, state })
            assert.is(await ask(action, header), expected, `${what}, access '${spelling}', ${state}`)
            compared++
          }
          await Promise.all(Object.entries(actions).map(compare))
          await compare(['upload, begun', beginning])
        }
    })

  test('all of them were compared', () => assert.is(compared, (17 * words.length * states.length + 10) * 16))
})
