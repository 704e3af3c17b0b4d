import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { sample } from '../../../src/testing/metadata-subject.ts'
import { type ProgramRun, type ScoreProcess, startProgram, startScoreServer } from '../../services/support/score-process.ts'
import { suite } from '../../support/suite.ts'
import { type AuthStandIn, startAuthStandIn } from './auth-stand-in.ts'
import { type RecordingProxy, startRecordingProxy } from './recording-proxy.ts'
import { missingSong, type Song, startSong } from './song.ts'

export interface SongSiteFile {
  readonly objectId: string
  readonly path: string
  readonly md5: string
}

export interface Analysis {
  readonly analysisId: string
  readonly files: readonly SongSiteFile[]
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
  /** Registers new files of 5000 bytes, with the payload. */
  register(study: string, names: readonly string[], access?: 'open' | 'controlled'): Promise<Analysis>
  /** Registers and uploads. */
  upload(study: string, names: readonly string[], access?: 'open' | 'controlled'): Promise<Analysis>
  /** Asks our server. */
  ask(path: string, token?: string): Promise<Response>
  /** Does to Song what its own client would. */
  askSong(method: string, path: string): Promise<Response>
  close(): Promise<void>
}

export function md5Of(path: string): string {
  return createHash('md5').update(readFileSync(path)).digest('hex')
}

/** What `score register` prints: analysis id and two tabs, then object id, path and MD5. */
function readManifest(text: string): Analysis {
  const [first = '', ...rows] = text.trimEnd().split('\n')
  const files = rows.map((row) => {
    const [objectId = '', path = '', md5 = ''] = row.split('\t')
    return { objectId, path, md5 }
  })
  return { analysisId: first.split('\t')[0] ?? '', files }
}

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

async function openSongSite(): Promise<SongSite> {
  const folder = mkdtempSync(join(tmpdir(), 'score-song-'))
  const toClose: (() => Promise<unknown>)[] = []
  const parts = await startParts(folder, toClose).catch(async (error: unknown) => {
    await closeAll(toClose, folder)
    throw error
  })
  const token = await parts.auth.token({ scopes: ['score.READ', 'score.WRITE', 'song.WRITE'] })
  const payload = join(folder, 'payload.json')
  writeFileSync(
    payload,
    JSON.stringify({ analysisType: { name: 'sequencingRead' }, samples: [sample], experiment: { libraryStrategy: 'WGS' } }),
  )
  const clients = clientsOf(parts, token)
  const makeFile: SongSite['makeFile'] = (name, size = 5000) => {
    const path = join(folder, name)
    writeFileSync(path, randomBytes(size))
    return path
  }
  const register: SongSite['register'] = async (study, names, access = 'controlled') => {
    const paths = names.map((name) => makeFile(name))
    return readManifest((await clients.run(['register', '--study', study, '--payload', payload, '--access', access, ...paths])).stdout)
  }
  return {
    ...parts,
    ...clients,
    token,
    payload,
    makeFile,
    register,
    async upload(study, names, access) {
      const analysis = await register(study, names, access)
      for (const { path, objectId, md5 } of analysis.files)
        await clients.run(['upload', '--file', path, '--object-id', objectId, '--md5', md5])
      return analysis
    },
    close: () => closeAll(toClose, folder),
  }
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
