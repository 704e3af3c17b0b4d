import { type ChildProcess, spawn } from 'node:child_process'
import { createCipheriv, createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ClientRun, type RunningClient, startOriginal } from './original-client.ts'
import { type RecordingProxy, startRecordingProxy } from './recording-proxy.ts'

export interface Registered {
  readonly objectId: string
  readonly path: string
  readonly md5: string
  readonly analysisId: string
}

/** Our embedded server on a fresh data folder, a proxy before it that counts, and both clients pointed at it. */
export interface World {
  readonly proxy: RecordingProxy
  /** A folder for this test's files. */
  readonly folder: string
  readonly token: string
  /** Runs our `score`; rejects when it does not exit with 0. Resolves with its stdout. */
  score(args: readonly string[]): Promise<string>
  /** Starts the original's client. */
  start(args: readonly string[], settings?: { readonly token?: string; readonly env?: Readonly<Record<string, string>> }): RunningClient
  /** Runs the original's client to its end. */
  original(
    args: readonly string[],
    settings?: { readonly token?: string; readonly env?: Readonly<Record<string, string>> },
  ): Promise<ClientRun>
  /** Makes a file of `size` bytes that depend on its name. */
  makeFile(name: string, size: number): string
  /** One analysis of these files, in the same order; nothing is uploaded. */
  register(study: string, paths: readonly string[]): Promise<readonly Registered[]>
  get(path: string, token?: string): Promise<Response>
  close(): Promise<void>
}

const repository = join(import.meta.dirname, '..', '..', '..')
const ourProgram = ['--import', import.meta.resolve('tsx'), join(repository, 'adapters', 'cli', 'score.ts')]

/** Bytes nobody can compress or guess, the same for the same name. */
function fill(name: string, size: number): Buffer {
  const key = createHash('md5').update(name).digest()
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(size))
}

export function md5Of(path: string): string {
  return createHash('md5').update(readFileSync(path)).digest('hex')
}

function gather(child: ChildProcess): { text: string } {
  const gathered = { text: '' }
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      gathered.text += text
    })
  }
  return gathered
}

interface RunFile {
  readonly url: string
  readonly tokenPath: string
}

/** Waits for the line that says the server is ready, then reads where it listens from its run file. */
async function ready(server: ChildProcess, stateFolder: string): Promise<RunFile> {
  const output = gather(server)
  await new Promise<void>((done, fail) => {
    const deadline = setTimeout(() => fail(new Error(`the server was not ready in three minutes:\n${output.text}`)), 180_000)
    deadline.unref()
    server.once('close', (code) => fail(new Error(`the server ended with ${code}:\n${output.text}`)))
    server.stdout?.on('data', () => {
      if (!output.text.includes('"type":"ready"')) return
      clearTimeout(deadline)
      done()
    })
  })
  const folder = join(stateFolder, 'score', 'run')
  const [name = ''] = readdirSync(folder)
  return JSON.parse(readFileSync(join(folder, name), 'utf8')) as RunFile
}

async function run(child: ChildProcess): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const texts = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      texts[name] += text
    })
  }
  const code = await new Promise<number | null>((done) => child.once('close', done))
  return { code, ...texts }
}

/** The manifest that `score register` prints: analysis id and two tabs, then object id, path and MD5. */
function readManifest(text: string): readonly Registered[] {
  const [first = '', ...rows] = text.trimEnd().split('\n')
  const analysisId = first.split('\t')[0] ?? ''
  return rows.map((row) => {
    const [objectId = '', path = '', md5 = ''] = row.split('\t')
    return { objectId, path, md5, analysisId }
  })
}

/** @param settings - environment of the server, for another store than the data folder. */
export async function createWorld(settings: Readonly<Record<string, string>> = {}): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'score-compat-'))
  const proxy = await startRecordingProxy()
  const stateFolder = join(folder, 'state')
  const environment = { PATH: process.env['PATH'] ?? '', HOME: folder, XDG_STATE_HOME: stateFolder }
  const serve = ['serve', '--json', '--data', join(folder, 'store'), '--port', '0', '--public-url', proxy.url]
  const server = spawn(process.execPath, [...ourProgram, ...serve], {
    env: { ...environment, ...settings },
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise((done) => server.once('close', done))
  const close = async (): Promise<void> => {
    server.kill('SIGTERM')
    await Promise.all([ended, proxy.close()])
    rmSync(folder, { recursive: true })
  }
  const { url, tokenPath } = await ready(server, stateFolder).catch(async (error: unknown) => {
    await close()
    throw error
  })
  proxy.forwardTo(Number(new URL(url).port))
  const token = readFileSync(tokenPath, 'utf8').trim()
  const clientSettings = { storageUrl: proxy.url, metadataUrl: proxy.url, token, cwd: folder }
  const score = async (args: readonly string[]): Promise<string> => {
    const child = spawn(process.execPath, [...ourProgram, ...args], {
      cwd: folder,
      env: { ...environment, STORAGE_URL: proxy.url, METADATA_URL: proxy.url, ACCESSTOKEN: token },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const { code, stdout, stderr } = await run(child)
    if (code !== 0) throw new Error(`score ${args.join(' ')} ended with ${code}:\n${stderr}`)
    return stdout
  }
  const start: World['start'] = (args, changes = {}) => startOriginal(args, { ...clientSettings, ...changes })
  return {
    proxy,
    folder,
    token,
    score,
    start,
    original: (args, changes) => start(args, changes).finished,
    makeFile: (name, size) => {
      const path = join(folder, name)
      writeFileSync(path, fill(name, size))
      return path
    },
    register: async (study, paths) => readManifest(await score(['register', '--study', study, ...paths])),
    get: (path, bearer = token) => fetch(`${proxy.url}${path}`, { headers: { authorization: `Bearer ${bearer}` } }),
    close,
  }
}
