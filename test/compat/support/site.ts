import { createCipheriv, createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import * as assert from 'uvu/assert'
import { createRetryingBackend } from '../../../src/storage/retrying-backend.ts'
import { startCatalogueServer } from '../../metadata/catalogue-server.ts'
import { type S3TestStore, s3Stores } from '../../services/support/s3-stores.ts'
import { programOf, startProgram, startScoreServer } from '../../services/support/score-process.ts'
import { howToGet, isThere } from '../../services/support/store-program.ts'
import { freePort } from '../../support/free-port.ts'
import { suite } from '../../support/suite.ts'
import { type AuthStandIn, startAuthStandIn } from './auth-stand-in.ts'
import { missingOriginal, type RunningClient, startOriginal } from './original-client.ts'
import { startOriginalServer } from './original-server.ts'
import { type RecordingProxy, startRecordingProxy } from './recording-proxy.ts'

/** Who serves, or who asks: a program of ours, or of the original. */
export type Make = 'ours' | 'original'

export interface SiteFile {
  readonly objectId: string
  readonly path: string
  readonly size: number
  readonly md5: string
  readonly analysisId: string
}

export interface SiteOptions {
  /** Buckets besides the one that is named, such as those of a pool. */
  readonly buckets?: readonly string[]
  /** Settings of both servers, by property. */
  readonly settings?: Readonly<Record<string, string>>
  /** Servers to start; default one of each make. */
  readonly serve?: readonly Make[]
}

/** A deployment as the original's sites have it: a bucket on MinIO, Song, Ego, and on top of them a server of each make. */
export interface Site {
  readonly bucket: string
  readonly store: S3TestStore
  /** Stands before the store for servers and clients alike. */
  readonly traffic: RecordingProxy
  /** Stands before the servers: the address that clients are told. */
  readonly service: RecordingProxy
  readonly auth: AuthStandIn
  readonly songUrl: string
  readonly folder: string
  /** Good for everything. */
  readonly token: string
  /** From now on clients are answered by this server. */
  serveBy(make: Make): void
  urlOf(make: Make): string
  makeFile(name: string, size: number): string
  /** Registers files, each in an analysis of its own unless there are several paths. */
  register(
    paths: readonly string[],
    options?: { readonly access?: 'open' | 'controlled'; readonly study?: string },
  ): Promise<readonly SiteFile[]>
  publish(file: SiteFile): Promise<void>
  start(make: Make, args: readonly string[], settings?: ClientChanges): RunningClient
  /** Asks a server directly. */
  ask(make: Make, path: string, init?: { readonly method?: string; readonly token?: string }): Promise<Response>
  /** Keys in a bucket, ascending; default the site's own, all of it. */
  keys(prefix?: string, bucket?: string): Promise<readonly string[]>
  /** Keys below a prefix once none but those to keep are there, or after a minute: a server of ours removes state behind its answer. */
  keysLeft(prefix: string, options?: { readonly bucket?: string; readonly keep?: (key: string) => boolean }): Promise<readonly string[]>
  text(key: string, bucket?: string): Promise<string>
  close(): Promise<void>
}

export interface ClientChanges {
  readonly token?: string
  readonly env?: Readonly<Record<string, string>>
  /** Of ours: `score` unless another is named. */
  readonly program?: readonly string[]
}

/** The least that both servers take, so an object of several parts is as small as can be. */
export const partSize = 20 * 1024 ** 2

export function md5Of(path: string): string {
  return createHash('md5').update(readFileSync(path)).digest('hex')
}

function fill(name: string, size: number): Buffer {
  const key = createHash('md5').update(name).digest()
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(size))
}

/** `s3.preSignedUrl.override.host` → `S3_PRESIGNEDURL_OVERRIDE_HOST`, as Spring binds it. */
function environmentOf(properties: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(properties).map(([name, value]) => [name.replaceAll('-', '').replaceAll('.', '_').toUpperCase(), value]),
  )
}

interface Ground {
  readonly store: S3TestStore
  readonly traffic: RecordingProxy
  readonly service: RecordingProxy
  readonly auth: AuthStandIn
  readonly song: Awaited<ReturnType<typeof startCatalogueServer>>
  readonly folder: string
}

const bucket = 'score.data'

/** The settings of a real deployment of the original, by property. */
export function deploymentOf({ traffic, auth, songUrl }: Pick<Site, 'traffic' | 'auth' | 'songUrl'>): Readonly<Record<string, string>> {
  return {
    'spring.profiles.active': 'prod,secure,s3',
    'server.address': '127.0.0.1',
    's3.secured': 'false',
    's3.endpoint': traffic.url,
    's3.accessKey': 'scoreaccess',
    's3.secretKey': 'scoresecret',
    's3.sigV4Enabled': 'true',
    'bucket.name.object': bucket,
    'bucket.name.state': bucket,
    'upload.partsize': String(partSize),
    'metadata.url': songUrl,
    'spring.security.oauth2.resourceserver.jwt.public-key-location': auth.publicKeyUrl,
    'auth.server.url': auth.apiKeyUrl,
    'auth.server.tokenName': 'apiKey',
    'auth.server.provider': 'ego',
  }
}

/** The same as the environment of a container has it. */
export function environmentOfDeployment(site: Pick<Site, 'traffic' | 'auth' | 'songUrl'>): Record<string, string> {
  return environmentOf(deploymentOf(site))
}

async function prepareGround(buckets: readonly string[]): Promise<Ground> {
  const started = await s3Stores.minio.start()
  // The store cuts connections that were idle; the driver itself never asks twice.
  const store = { ...started, backend: createRetryingBackend(started.backend) }
  const [traffic, service, auth, song] = await Promise.all([
    startRecordingProxy(),
    startRecordingProxy(),
    startAuthStandIn(),
    startCatalogueServer(),
  ])
  traffic.forwardTo(Number(new URL(store.endpoint).port))
  for (const name of [bucket, ...buckets]) await store.createBucket(name)
  return { store, traffic, service, auth, song, folder: mkdtempSync(join(tmpdir(), 'score-site-')) }
}

async function leaveGround({ store, traffic, service, auth, song, folder }: Ground): Promise<void> {
  await Promise.all([traffic.close(), service.close()])
  await Promise.all([store.stop(), auth.close(), song.close()])
  rmSync(folder, { recursive: true })
}

interface SiteServer {
  readonly url: string
  stop(): Promise<void>
}

type SiteServers = Readonly<Partial<Record<Make, SiteServer>>>

/** Puts the sentinel into the bucket, then starts what is wanted. */
async function startServers(ground: Ground, { settings = {}, serve = ['ours', 'original'] }: SiteOptions): Promise<SiteServers> {
  const { auth, traffic, folder, song, store } = ground
  const env = { ...environmentOfDeployment({ traffic, auth, songUrl: song.url }), ...environmentOf(settings) }
  const check = await startProgram(['serve', '--check', '--fix'], { cwd: folder, env }).finished
  assert.is(check.code, 0, check.stdout + check.stderr)
  const starts: Readonly<Record<Make, () => Promise<SiteServer>>> = {
    async ours() {
      const { url, kill } = await startScoreServer({ cwd: folder, env: { ...env, SERVER_PORT: String(await freePort()) } })
      return { url, stop: kill }
    },
    original: () =>
      startOriginalServer({
        endpoint: traffic.url,
        accessKeyId: store.credentials.accessKeyId,
        secretAccessKey: store.credentials.secretAccessKey,
        objectBucket: bucket,
        stateBucket: bucket,
        metadataUrl: song.url,
        publicKeyUrl: auth.publicKeyUrl,
        apiKeyUrl: auth.apiKeyUrl,
        args: ['--auth.server.tokenName=apiKey', ...Object.entries(settings).map(([name, value]) => `--${name}=${value}`)],
      }),
  }
  const outcomes = await Promise.allSettled(serve.map(async (make) => [make, await starts[make]()] as const))
  const started = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
  const failed = outcomes.find((outcome) => outcome.status === 'rejected')
  if (failed === undefined) return Object.fromEntries(started)
  for (const [, server] of started) await server.stop()
  throw failed.reason
}

function catalogueOf(ground: Ground): Pick<Site, 'register' | 'publish'> {
  const { catalogue, stored } = ground.song
  const studyOf = new Map<string, string>()
  return {
    async register(paths, { access = 'controlled', study = 'TEST-CA' } = {}) {
      await catalogue.ensureStudy(study)
      const files = paths.map((path) => ({
        fileName: path.slice(path.lastIndexOf('/') + 1),
        fileType: /\.bai$/.test(path) ? 'BAI' : 'BAM',
        fileSize: readFileSync(path).length,
        fileMd5sum: md5Of(path),
        fileAccess: access,
        dataType: 'reads',
      }))
      const payload = { studyId: study, analysisType: { name: 'fileSet' }, files }
      const { analysisId } = await catalogue.submit(study, payload, { allowDuplicates: true })
      studyOf.set(analysisId, study)
      const known = new Map((await catalogue.files(study, analysisId)).map((file) => [file.fileName, file.objectId]))
      return files.map(({ fileName, fileSize, fileMd5sum }, index) => ({
        objectId: known.get(fileName) as string,
        path: paths[index] as string,
        size: fileSize,
        md5: fileMd5sum,
        analysisId,
      }))
    },
    async publish({ analysisId }) {
      const study = studyOf.get(analysisId) as string
      for (const { objectId, size, md5 } of await catalogue.files(study, analysisId)) stored.set(objectId, { exists: true, size, md5 })
      await catalogue.publish(study, analysisId)
    },
  }
}

function bucketOf({ store }: Ground): Pick<Site, 'keys' | 'keysLeft' | 'text'> {
  const site: Pick<Site, 'keys' | 'keysLeft' | 'text'> = {
    async keys(prefix = '', name = bucket) {
      const found: string[] = []
      for await (const { key } of store.backend.list({ bucket: name, key: prefix })) found.push(key)
      return found
    },
    async keysLeft(prefix, { bucket: name = bucket, keep = () => false } = {}) {
      for (const deadline = Date.now() + 60_000; ; await wait(50)) {
        const found = await site.keys(prefix, name)
        if (found.every(keep) || Date.now() > deadline) return found
      }
    },
    async text(key, name = bucket) {
      const pieces: Uint8Array[] = []
      for await (const piece of store.backend.get({ bucket: name, key })) pieces.push(Uint8Array.from(piece))
      return Buffer.concat(pieces).toString()
    },
  }
  return site
}

function clientsOf(ground: Ground, token: string): Pick<Site, 'start'> {
  const { folder, service, song } = ground
  return {
    start(make, args, changes = {}) {
      const { env = {}, program = programOf('score') } = changes
      const access = { storageUrl: service.url, metadataUrl: song.url, token: changes.token ?? token, cwd: folder, env }
      if (make === 'original') return startOriginal(args, access)
      const { storageUrl, metadataUrl, token: bearer } = access
      const told = bearer === '' ? {} : { ACCESSTOKEN: bearer }
      return startProgram(args, { cwd: folder, program, env: { STORAGE_URL: storageUrl, METADATA_URL: metadataUrl, ...told, ...env } })
    },
  }
}

async function openSite(options: SiteOptions): Promise<Site> {
  const ground = await prepareGround(options.buckets ?? [])
  const servers = await startServers(ground, options).catch(async (error: unknown) => {
    await leaveGround(ground)
    throw error
  })
  const { store, traffic, service, auth, song, folder } = ground
  const token = await auth.token({ scopes: ['score.READ', 'score.WRITE'] })
  const urlOf = (make: Make): string => {
    const server = servers[make]
    if (server === undefined) throw new Error(`no server of ${make} was started`)
    return server.url
  }
  return {
    bucket,
    store,
    traffic,
    service,
    auth,
    songUrl: song.url,
    folder,
    token,
    urlOf,
    serveBy: (make) => service.forwardTo(Number(new URL(urlOf(make)).port)),
    makeFile(name, size) {
      const path = join(folder, name)
      writeFileSync(path, fill(name, size))
      return path
    },
    ...catalogueOf(ground),
    ...clientsOf(ground, token),
    ...bucketOf(ground),
    ask: (make, path, { method = 'GET', token: bearer = token } = {}) =>
      fetch(`${urlOf(make)}${path}`, { method, headers: { authorization: `Bearer ${bearer}` } }),
    async close() {
      await Promise.all(Object.values(servers).map((server) => server.stop()))
      await leaveGround(ground)
    },
  }
}

export type SiteTest = (name: string, body: (site: Site) => Promise<void>) => void

function missingParts(): string | undefined {
  const { program } = s3Stores.minio
  return missingOriginal() ?? (isThere(program) ? undefined : howToGet(program))
}

/** A suite on one {@link Site}; every test is skipped where the original or MinIO is not there. */
export function siteSuite(name: string, define: (test: SiteTest) => void, options: SiteOptions = {}): void {
  suite(name, (test) => {
    const missing = missingParts()
    if (missing !== undefined) {
      define((testName) => test.skip(testName, missing))
      return
    }
    let site: Site | undefined
    test.before(async () => {
      site = await openSite(options)
    })
    test.after(() => site?.close())
    define((testName, body) => {
      test(testName, async () => {
        if (site === undefined) throw new Error('there is no site')
        site.traffic.clear()
        site.service.clear()
        await body(site)
      })
    })
  })
}
