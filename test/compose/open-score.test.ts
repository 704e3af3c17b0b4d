import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { createIntrospectionVerifier } from '../../src/auth/introspection-verifier.ts'
import { createStudyAuthorizer } from '../../src/auth/study-authorizer.ts'
import { type OpenedScore, openScore } from '../../src/compose/open-score.ts'
import { s3OptionsOf } from '../../src/compose/score-store.ts'
import { readServerConfig } from '../../src/compose/server-config.ts'
import { md5Hex } from '../../src/core/checksum.ts'
import { createCachedMetadata } from '../../src/metadata/cached-metadata.ts'
import { createSongMetadata } from '../../src/metadata/song-metadata.ts'
import { createScoreService } from '../../src/objects/score-service.ts'
import { createMemoryBackend } from '../../src/storage/memory/backend.ts'
import { createObjectLayout } from '../../src/storage/object-layout.ts'
import { makeKey, makeToken } from '../auth/token-maker.ts'
import { type CatalogueServer, startCatalogueServer } from '../metadata/catalogue-server.ts'
import { failure } from '../objects/score-house.ts'
import { suite } from '../support/suite.ts'

const key = makeKey('k1')
const apiKey = '6a9b1c5e-7d3f-4e2a-9b8c-0d1e2f3a4b5c'
const body = Buffer.from('genome')

/** An Ego that knows one key, serves its public key, and counts. */
async function startEgo(
  scopes: readonly string[],
): Promise<{ url: string; asked: string[]; headers: Record<string, string>; server: Server }> {
  const asked: string[] = []
  const headers: Record<string, string> = {}
  const server = createServer(async (request, response) => {
    asked.push(`${request.method} ${request.url}`)
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
    if (request.url === '/oauth/token/public_key') return void response.end(key.pem)
    if (request.url !== '/o/check_api_key') return void response.writeHead(404).end()
    let text = ''
    for await (const piece of request) text += String(piece)
    const known = text.includes(apiKey) && request.headers.authorization === `Basic ${Buffer.from('score:hush').toString('base64')}`
    response.writeHead(known ? 207 : 401, { 'content-type': 'application/json' })
    response.end(JSON.stringify(known ? { user_id: 'u', exp: 3600, scope: scopes } : { error: 'no such key' }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked, headers, server }
}

async function stop(server: Server): Promise<void> {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
}

async function register(song: CatalogueServer, size: number, md5: string): Promise<{ objectId: string; analysisId: string }> {
  await song.catalogue.ensureStudy('TEST-CA')
  const file = { fileName: 'a.bam', fileType: 'BAM', fileSize: size, fileMd5sum: md5, fileAccess: 'controlled', dataType: 'reads' }
  const { analysisId } = await song.catalogue.submit('TEST-CA', { studyId: 'TEST-CA', analysisType: { name: 'fileSet' }, files: [file] })
  const [registered] = await song.catalogue.files('TEST-CA', analysisId)
  return { objectId: (registered as { objectId: string }).objectId, analysisId }
}

suite('compose/open-score', (test) => {
  let folder: string
  let song: CatalogueServer
  let ego: Awaited<ReturnType<typeof startEgo>>
  test.before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'open-score-'))
    song = await startCatalogueServer()
    ego = await startEgo(['PROGRAMDATA-TEST-CA.WRITE', 'PROGRAMDATA-TEST-CA.READ'])
  })
  test.after(async () => {
    await stop(ego.server)
    await song.close()
    await rm(folder, { recursive: true })
  })

  const environment = (): Record<string, string> => ({
    SPRING_PROFILES_ACTIVE: 'secure',
    SCORE_DATA: join(folder, 'data'),
    METADATA_URL: song.url,
    AUTH_SERVER_URL: `${ego.url}/o/check_api_key`,
    AUTH_SERVER_CLIENTSECRET: 'hush',
    AUTH_SERVER_TOKENNAME: 'apiKey',
    SPRING_SECURITY_OAUTH2_RESOURCESERVER_JWT_PUBLICKEYLOCATION: `${ego.url}/oauth/token/public_key`,
  })

  async function opened(changes: Record<string, string>, use: (score: OpenedScore) => Promise<void>): Promise<void> {
    const { config, findings } = await readServerConfig({ env: { ...environment(), ...changes } })
    assert.equal(findings, [])
    const score = await openScore(config, { url: 'http://127.0.0.1:5431' })
    try {
      await use(score)
    } finally {
      await score.close()
    }
  }

  test('API keys, JWTs, Song and a local store together: uploaded, published, downloaded', () =>
    opened({}, async (score) => {
      const { objectId, analysisId } = await register(song, body.length, md5Hex(body))
      const api = score.service.as(apiKey)
      const spec = await api.openUpload({ objectId, size: body.length })
      const [part] = spec.parts as [(typeof spec.parts)[number]]
      const { pathname, search } = new URL(part.url)
      const pieces = (async function* () {
        yield new Uint8Array(body)
      })()
      const answer = await score.dataPlane?.handle({
        method: 'PUT',
        path: pathname,
        query: search,
        headers: { 'content-length': String(body.length) },
        body: pieces,
      })
      assert.is(answer?.status, 200)
      const upload = { objectId, uploadId: spec.uploadId as string }
      const etag = String(answer?.headers['etag'] ?? answer?.headers['ETag']).replaceAll('"', '')
      await api.finalizePart(upload, { number: 1, md5: md5Hex(body), etag })
      await api.finalizeUpload(upload)
      assert.is((await failure(api.downloadSpec({ objectId }))).code, 'analysis-state')
      song.stored.set(objectId, { exists: true, size: body.length, md5: md5Hex(body) })
      await song.catalogue.publish('TEST-CA', analysisId)
      assert.is((await api.downloadSpec({ objectId })).size, body.length)
      const reader = await makeToken(key, { claims: { exp: Date.now() / 1000 + 300, context: { scope: ['score.READ'] } } })
      assert.is((await score.service.as(reader).downloadSpec({ objectId })).size, body.length)
      assert.is((await failure(score.service.as(undefined).downloadSpec({ objectId }))).code, 'access-denied')
      assert.is((await failure(score.service.as(`${apiKey.slice(0, -1)}d`).downloadSpec({ objectId }))).code, 'unauthenticated')
      assert.ok(score.warnings.some((warning) => warning.startsWith('the iss of access tokens is not checked')))
      assert.is(score.catalogue, undefined)
    }))

  test('what the store cannot hold is refused when the upload begins; fewer parts are larger ones', () =>
    opened({ UPLOAD_MAXIMUMOBJECTBYTES: '104857600', UPLOAD_MAXIMUMPARTS: '2' }, async (score) => {
      const api = score.service.as(apiKey)
      const most = await register(song, 104_857_600, md5Hex('most'))
      const parts = (await api.openUpload({ objectId: most.objectId, size: 104_857_600 })).parts.map(({ range }) => range.end - range.start)
      assert.equal(parts, [52_428_801, 52_428_799])
      const more = await register(song, 104_857_601, md5Hex('more'))
      const refused = await failure(api.openUpload({ objectId: more.objectId, size: 104_857_601 }))
      assert.is(refused.code, 'invalid-request')
      assert.match(refused.message, /104857601 bytes are more than one object of this store can hold \(104857600\)/)
      assert.is((await failure(api.resumeUpload({ objectId: more.objectId, size: 104_857_601 }))).code, 'upload-not-found')
    }))

  test('an upload of 500 parts costs a handful of calls to Song and to the identity provider', async () => {
    const partSize = 8
    const size = 500 * partSize
    const bytes = Buffer.from(createHash('sha512').update('500').digest('hex').repeat(40)).subarray(0, size)
    const { objectId } = await register(song, size, md5Hex(bytes))
    let songCalls = 0
    const counted: typeof fetch = (input, init) => {
      songCalls += 1
      return fetch(input, init)
    }
    const metadata = createCachedMetadata(createSongMetadata({ url: song.url, fetch: counted }))
    const verifier = createIntrospectionVerifier({
      url: `${ego.url}/o/check_api_key`,
      dialect: 'ego',
      clientId: 'score',
      clientSecret: 'hush',
    })
    const backend = createMemoryBackend()
    const layout = createObjectLayout({ objectBucket: 'o', stateBucket: 's' })
    const authorizer = createStudyAuthorizer({ verifier, metadata })
    const partPlan = { floorBytes: partSize, partSizeBytes: partSize }
    const api = createScoreService({ backend, layout, metadata, authorizer, partPlan }).as(apiKey)
    ego.asked.length = 0
    const spec = await api.openUpload({ objectId, size })
    assert.is(spec.parts.length, 500)
    const upload = { objectId, uploadId: spec.uploadId as string }
    for (let at = 0; at < 500; at += 20)
      await Promise.all(
        spec.parts.slice(at, at + 20).map(async ({ number, range, url }) => {
          const piece = bytes.subarray(range.start, range.end)
          const answer = await backend.send(url, { method: 'PUT', body: piece })
          const etag = (answer.headers.get('etag') ?? '').replaceAll('"', '')
          await api.finalizePart(upload, { number, md5: md5Hex(piece), etag })
        }),
      )
    await api.finalizeUpload(upload)
    assert.ok(songCalls <= 6, `${songCalls} calls to Song`)
    assert.ok(ego.asked.length <= 2, `${ego.asked.length} calls to Ego`)
  })

  test('what is tried says what is well', () =>
    opened({}, async (score) => {
      const outcomes = await Promise.all(score.checks.map(async (check) => ({ name: check.name, ...(await check.run()) })))
      assert.equal(
        outcomes.filter(({ outcome }) => outcome !== 'good'),
        [],
      )
      assert.equal(
        outcomes.map(({ name }) => name.replace(/http.*/, '…')),
        ['clock of …', 'clock of …', 'bucket objects', 'bucket state', 'sentinel', 'song', 'keys of tokens', 'introspection'],
      )
    }))

  const troubles: readonly (readonly [name: string, changes: () => Record<string, string>, check: RegExp, says: RegExp])[] = [
    ['Song that is down', () => ({ METADATA_URL: 'http://127.0.0.1:1' }), /^song$/, /127\.0\.0\.1:1/],
    ['another service than Song', () => ({ METADATA_URL: ego.url }), /^song$/, /404|not found|nothing/i],
    [
      'a key that is none',
      () => ({ SPRING_SECURITY_OAUTH2_RESOURCESERVER_JWT_PUBLICKEYLOCATION: `${song.url}/isAlive` }),
      /^keys of tokens$/,
      /holds no public key in PEM/,
    ],
    ['introspection elsewhere', () => ({ AUTH_SERVER_URL: `${ego.url}/nowhere` }), /^introspection$/, /404|introspect|check/i],
    [
      'a key inside of a Java program',
      () => ({ SPRING_SECURITY_OAUTH2_RESOURCESERVER_JWT_PUBLICKEYLOCATION: 'classpath:key.pem' }),
      /^(start)$/,
      /inside of a Java program/,
    ],
  ]
  for (const [name, changes, check, says] of troubles) {
    test(`tried: ${name}`, async () => {
      const found: string[] = []
      try {
        await opened(changes(), async (score) => {
          for (const { name: checked, run } of score.checks) {
            const { outcome, message } = await run()
            if (outcome === 'bad' && check.test(checked)) found.push(message)
          }
        })
      } catch (error) {
        if (!check.test('start')) throw error
        found.push(error instanceof Error ? error.message : String(error))
      }
      assert.is(found.length, 1, found.join('\n'))
      assert.match(found[0] as string, says)
    })
  }

  test('tried: a clock that is off is told, in both directions', () =>
    opened({}, async (score) => {
      const egoClock = score.checks.find(({ name }) => name === `clock of ${ego.url}`)
      for (const [seconds, says] of [
        [-600, /is 5\d\d s ahead of|is 600 s ahead of/],
        [600, /is 5\d\d s behind|is 600 s behind/],
      ] as const) {
        ego.headers['date'] = new Date(Date.now() + seconds * 1000).toUTCString()
        const { outcome, message } = (await egoClock?.run()) ?? { outcome: 'none', message: '' }
        delete ego.headers['date']
        assert.is(outcome, 'bad')
        assert.match(message, says)
      }
    }))

  test('without Song the catalogue of the folder; the token of the folder where nothing says secure', async () => {
    const { config, findings } = await readServerConfig({ env: { SCORE_DATA: join(folder, 'own') } })
    assert.equal(findings, [])
    const score = await openScore(config, { url: 'http://127.0.0.1:5431' })
    assert.ok(score.catalogue)
    assert.is(score.tokenPath, join(folder, 'own', 'token'))
    assert.is((await failure(score.service.as('x'.repeat(20)).profile())).code, 'unauthenticated')
    await score.close()
  })

  test('a public key in a file; scopes named otherwise, without prefix', async () => {
    const pem = join(folder, 'key.pem')
    await writeFile(pem, key.pem)
    const { objectId } = await register(song, 3, md5Hex(Buffer.from('abc')))
    const changes = {
      SPRING_SECURITY_OAUTH2_RESOURCESERVER_JWT_PUBLICKEYLOCATION: `file://${pem}`,
      AUTH_SERVER_SCOPE_UPLOAD_STUDY_PREFIX: '',
      AUTH_SERVER_SCOPE_UPLOAD_STUDY_SUFFIX: '.FILL',
    }
    await opened(changes, async (score) => {
      const token = (scope: string): Promise<string> =>
        makeToken(key, { claims: { exp: Date.now() / 1000 + 300, context: { scope: [scope] } } })
      assert.ok(await score.service.as(await token('TEST-CA.FILL')).openUpload({ objectId, size: 3 }))
      assert.is(
        (await failure(score.service.as(await token('PROGRAMDATA-TEST-CA.WRITE')).openUpload({ objectId, size: 3 }))).code,
        'access-denied',
      )
    })
  })

  const stores: readonly (readonly [name: string, env: Record<string, string>, options: Record<string, unknown>])[] = [
    ['defaults', {}, { endpoint: 'https://s3-external-1.amazonaws.com', region: 'us-east-1', connectTimeoutMs: 15_000 }],
    [
      'no scheme, not secured',
      { S3_ENDPOINT: 'ceph:8080', S3_SECURED: 'false' },
      { endpoint: 'http://ceph:8080', connectTimeoutMs: 15_000 },
    ],
    ['a scheme wins', { S3_ENDPOINT: 'http://ceph', S3_SECURED: 'true' }, { endpoint: 'http://ceph', connectTimeoutMs: 15_000 }],
    [
      'keys, KMS, region, public address, patience',
      {
        S3_ENDPOINT: 'http://minio:9000',
        S3_ACCESSKEY: 'a',
        S3_SECRETKEY: 'b',
        S3_MASTERENCRYPTIONKEYID: 'kms',
        AWS_REGION: 'eu-west-1',
        S3_PUBLICENDPOINT: 'https://s3.example.org',
        S3_CONNECTIONTIMEOUT: '500',
      },
      {
        endpoint: 'http://minio:9000',
        region: 'eu-west-1',
        credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
        sse: { algorithm: 'aws:kms', keyId: 'kms' },
        publicEndpoint: 'https://s3.example.org',
        connectTimeoutMs: 500,
      },
    ],
    [
      'a public host without scheme takes that of the endpoint',
      { S3_ENDPOINT: 'http://minio:9000', S3_PUBLICENDPOINT: 's3.example.org:9000' },
      { endpoint: 'http://minio:9000', publicEndpoint: 'http://s3.example.org:9000', connectTimeoutMs: 15_000 },
    ],
    [
      "a proxy that puts the store's Host back, as the original asks for",
      {
        S3_ENDPOINT: 'http://minio:9000',
        S3_PRESIGNEDURL_OVERRIDE_HOST: 'https://s3.example.org',
      },
      { endpoint: 'http://minio:9000', publicEndpoint: 'https://s3.example.org', signedHost: 'store', connectTimeoutMs: 15_000 },
    ],
  ]
  for (const [name, env, options] of stores) {
    test(`S3: ${name}`, async () => assert.equal(s3OptionsOf((await readServerConfig({ env })).config), options))
  }

  test('an original deployment on a bucket leads to its public host, and lays objects out as it did', async () => {
    const { config, findings } = await readServerConfig({
      env: {
        ...environment(),
        SCORE_DATA: undefined,
        SPRING_PROFILES_ACTIVE: 'prod,secure,s3',
        S3_ENDPOINT: 'http://127.0.0.1:1',
        S3_ACCESSKEY: 'a',
        S3_SECRETKEY: 'b',
        S3_RETRYLIMIT: '0',
        S3_DATA_DIRECTORY: 'd',
        S3_PRESIGNEDURL_OVERRIDE_HOST: 'https://s3.example.org',
        BUCKET_NAME_OBJECT: 'bucket',
        OBJECT_SENTINEL: 'here',
      },
    })
    assert.equal(findings, [])
    const score = await openScore(config, { url: 'http://127.0.0.1:5431' })
    const url = new URL(await score.service.as(undefined).sentinelUrl())
    assert.is(url.origin + url.pathname, 'https://s3.example.org/bucket/d/here')
    assert.is(await score.service.as(apiKey).profile(), 's3')
    const sentinel = await score.checks.find(({ name }) => name === 'sentinel')?.run({ fix: true })
    assert.is(sentinel?.outcome, 'bad')
    assert.not.match(sentinel?.message ?? '', 'hush')
    await score.close()
  })
})
