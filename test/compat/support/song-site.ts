import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { createScoreClient, createSongMetadata, registerFiles } from '../../../src/index.ts'
import { sample } from '../../../src/testing/metadata-subject.ts'
import { type ProgramRun, type ScoreProcess, startProgram, startScoreServer } from '../../services/support/score-process.ts'
import { suite } from '../../support/suite.ts'
import { type AuthStandIn, startAuthStandIn } from './auth-stand-in.ts'
import { type RecordingProxy, startRecordingProxy } from './recording-proxy.ts'
import { missingSong, type Song, startSong } from './song.ts'

/** An analysis of one file. */
export interface RegisteredAnalysis {
  readonly study: string
  readonly analysisId: string
  readonly objectId: string
  readonly path: string
  readonly md5: string
}

/** A site as most are: Song, our server that asks it, and Ego, each a process of its own. */
export interface SongSite {
  readonly auth: AuthStandIn
  /** Stands before our server, for clients and for Song. */
  readonly score: RecordingProxy
  /** Stands before Song, for our server alone. */
  readonly askedOfSong: RecordingProxy
  readonly song: Song
  readonly folder: string
  /** Good for everything, at Song and at Score. */
  readonly token: string
  /** A file of bytes that are nowhere else. */
  makeFile(name: string, size?: number): string
  /** Path of a payload that Song takes, but for its files. */
  readonly payload: string
  /** Runs our `score`; fails unless it exits with this code. An empty token is none. */
  run(args: readonly string[], changes?: { readonly code?: number; readonly token?: string }): Promise<ProgramRun>
  /** Registers a new file of 5000 bytes, with the payload. This and the next two are done in this process. */
  register(study: string, name: string, access?: 'open' | 'controlled'): Promise<RegisteredAnalysis>
  /** Registers and uploads; without `md5` the store is not told the MD5 of the whole. */
  upload(
    study: string,
    name: string,
    options?: { readonly access?: 'open' | 'controlled'; readonly md5?: false },
  ): Promise<RegisteredAnalysis>
  publish(analysis: RegisteredAnalysis): Promise<void>
  /** Asks our server. */
  ask(path: string, token?: string): Promise<Response>
  /** Does to Song what its own client would. */
  askSong(method: string, path: string): Promise<Response>
  close(): Promise<void>
}

export function md5Of(path: string): string {
  return createHash('md5').update(readFileSync(path)).digest('hex')
}

const fileSize = 5000

/** What Song's type `sequencingRead` needs beside files. */
const payloadOfSite = { analysisType: { name: 'sequencingRead' }, samples: [sample], experiment: { libraryStrategy: 'WGS' } }

interface Parts {
  readonly auth: AuthStandIn
  readonly score: RecordingProxy
  readonly askedOfSong: RecordingProxy
  readonly song: Song
  readonly server: ScoreProcess
  readonly folder: string
}

async function startParts(folder: string, toClose: (() => Promise<unknown>)[]): Promise<Parts> {
  const keep = <Part>(part: Part, close: () => Promise<unknown>): Part => {
    toClose.unshift(close)
    return part
  }
  const auth = await startAuthStandIn()
  keep(auth, auth.close)
  const score = await startRecordingProxy()
  keep(score, score.close)
  const askedOfSong = await startRecordingProxy()
  keep(askedOfSong, askedOfSong.close)
  const scoreToken = await auth.token({ scopes: ['score.READ', 'score.WRITE'], expiresIn: 86_400 })
  const song = await startSong({ ...auth, scoreUrl: score.url, scoreToken })
  keep(song, song.stop)
  askedOfSong.forwardTo(Number(new URL(song.url).port))
  const server = await startScoreServer({
    cwd: folder,
    env: {
      SPRING_PROFILES_ACTIVE: 'secure',
      SERVER_ADDRESS: '127.0.0.1',
      SERVER_PORT: '0',
      SCORE_DATA: join(folder, 'data'),
      SCORE_PUBLIC_URL: score.url,
      METADATA_URL: askedOfSong.url,
      AUTH_SERVER_PROVIDER: 'ego',
      AUTH_SERVER_URL: auth.apiKeyUrl,
      AUTH_SERVER_TOKENNAME: 'apiKey',
      SPRING_SECURITY_OAUTH2_RESOURCESERVER_JWT_PUBLICKEYLOCATION: auth.publicKeyUrl,
    },
  })
  keep(server, server.end)
  score.forwardTo(Number(new URL(server.url).port))
  return { auth, score, askedOfSong, song, server, folder }
}

async function closeAll(toClose: readonly (() => Promise<unknown>)[], folder: string): Promise<void> {
  for (const close of toClose) await close()
  rmSync(folder, { recursive: true })
}

function clientsOf({ song, score, folder }: Parts, token: string): Pick<SongSite, 'run' | 'ask' | 'askSong'> {
  const bearing = (bearer: string): Record<string, string> => (bearer === '' ? {} : { authorization: `Bearer ${bearer}` })
  return {
    async run(args, { code = 0, token: bearer = token } = {}) {
      const env = { STORAGE_URL: score.url, METADATA_URL: song.url, ...(bearer === '' ? {} : { ACCESSTOKEN: bearer }) }
      const done = await startProgram(args, { cwd: folder, env }).finished
      assert.is(done.code, code, `score ${args.join(' ')} ended with ${done.code}:\n${done.stdout}${done.stderr}`)
      return done
    },
    ask: (path, bearer = token) => fetch(`${score.url}${path}`, { headers: bearing(bearer) }),
    askSong: (method, path) => fetch(`${song.url}${path}`, { method, headers: { ...bearing(token), 'content-type': 'application/json' } }),
  }
}

function stepsOf({ song, score, folder }: Parts, token: string): Pick<SongSite, 'makeFile' | 'register' | 'upload' | 'publish'> {
  const registry = createSongMetadata({ url: song.url, token })
  const api = createScoreClient({ url: score.url, token })
  const makeFile: SongSite['makeFile'] = (name, size = fileSize) => {
    const path = join(folder, name)
    writeFileSync(path, randomBytes(size))
    return path
  }
  const register: SongSite['register'] = async (study, name, access = 'controlled') => {
    const path = makeFile(name)
    const md5 = md5Of(path)
    const files = [{ path, size: fileSize, md5 }]
    const { analysisId, files: registered } = await registerFiles({ registry, study, files, access, payload: payloadOfSite })
    return { study, analysisId, objectId: String(registered[0]?.objectId), path, md5 }
  }
  return {
    makeFile,
    register,
    async upload(study, name, { access, md5: told } = {}) {
      const analysis = await register(study, name, access)
      const { objectId, path, md5 } = analysis
      const { uploadId = '', parts } = await api.openUpload({ objectId, size: fileSize, ...(told === false ? {} : { md5 }) })
      const put = await fetch(String(parts[0]?.url), { method: 'PUT', body: readFileSync(path) })
      await api.finalizePart({ objectId, uploadId }, { number: 1, md5, etag: String(put.headers.get('etag')) })
      await api.finalizeUpload({ objectId, uploadId })
      return analysis
    },
    publish: ({ study, analysisId }) => registry.publish(study, analysisId),
  }
}

async function openSongSite(): Promise<SongSite> {
  const folder = mkdtempSync(join(tmpdir(), 'score-song-'))
  const toClose: (() => Promise<unknown>)[] = []
  const parts = await startParts(folder, toClose).catch(async (error: unknown) => {
    await closeAll(toClose, folder)
    throw error
  })
  const token = await parts.auth.token({ scopes: ['score.READ', 'score.WRITE', 'song.WRITE'] })
  const payload = join(folder, 'payload.json')
  writeFileSync(payload, JSON.stringify(payloadOfSite))
  return { ...parts, ...clientsOf(parts, token), ...stepsOf(parts, token), token, payload, close: () => closeAll(toClose, folder) }
}

export type SongSiteTest = (name: string, body: (site: SongSite) => Promise<void>) => void

/** A suite on one {@link SongSite}; every test is skipped where Song or PostgreSQL is not there. */
export function songSiteSuite(name: string, define: (test: SongSiteTest) => void): void {
  suite(name, (test) => {
    const missing = missingSong()
    if (missing !== undefined) {
      define((testName) => test.skip(testName, missing))
      return
    }
    let site: SongSite | undefined
    test.before(async () => {
      site = await openSongSite()
    })
    test.after(() => site?.close())
    define((testName, body) => {
      test(testName, async () => {
        if (site === undefined) throw new Error('there is no Song')
        site.score.clear()
        site.askedOfSong.clear()
        await body(site)
      })
    })
  })
}
