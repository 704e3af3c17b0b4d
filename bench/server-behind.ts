/**
 * The control plane's speed with Song and a bucket behind it: an authorised `GET /download/{id}` of ours and of the original's
 * server, in turns, on one rig: MinIO, a Song that answers at once, JWTs of one key. Where there is `taskset`, either server has
 * the first processor and the rig, with the load, the second. Prints requests a second, processor time for a request of either
 * server and of all parts of the rig, and calls to Song; fails below five times the original, or with more than one call to
 * Song for a request.
 *
 *   SCORE_ORIGINAL=<folder of score-server.jar> npm run bench:server:behind -- [requests each] [connections] [rounds]
 *
 * Needs Java 17 and MinIO, as the tests with stores do.
 */
import { type ChildProcess, fork, type StdioOptions, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { startAuthStandIn } from '../test/compat/support/auth-stand-in.ts'
import { s3Stores } from '../test/services/support/s3-stores.ts'
import { freePort } from '../test/support/free-port.ts'
import { measure, pinned, type Side, spreadOf, spreadText } from './server-load.ts'

const [requests = 3000, connections = 8, rounds = 5] = process.argv.slice(2).map(Number)
const jar = join(process.env['SCORE_ORIGINAL'] ?? '', 'score-server.jar')
if (!existsSync(jar)) throw new Error(`there is no ${jar}: name the folder of the original's programs in SCORE_ORIGINAL`)
const least = 5

const object = { objectId: randomUUID(), analysisId: 'AN-BENCH', study: 'BENCH' }
const bucket = 'oicr.icgc'

/** Processor time of a process and its threads so far, in microseconds: Linux counts in ticks of 10 ms. */
function processorTime(pid: number | undefined): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10_000
}

/** Programs that this process has started. */
function started(): readonly number[] {
  return readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
}

/** This process, and with it all that it starts, has the second processor alone; servers have the first. */
function startServer(command: string, args: readonly string[], stdio: StdioOptions): ChildProcess {
  const [first = command, ...rest] = [...(pinned ? ['taskset', '-c', '0'] : []), command, ...args]
  return spawn(first, rest, { stdio })
}

async function answering(url: string, child: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 1200; tries++) {
    if (child.exitCode !== null) throw new Error(`${url} ended with ${child.exitCode}`)
    const answer = await fetch(url).catch(() => undefined)
    await answer?.body?.cancel()
    if (answer?.status === 200) return
    await wait(200)
  }
  throw new Error(`${url} does not answer`)
}

interface Rig {
  readonly settings: Readonly<Record<string, string>>
  readonly token: string
}

async function startOriginal({ settings }: Rig): Promise<{ readonly url: string; readonly child: ChildProcess }> {
  const port = await freePort()
  const named = { ...settings, 'server.port': String(port), 'server.address': '127.0.0.1' }
  const args = Object.entries(named).map(([key, value]) => `--${key}=${value}`)
  const child = startServer('java', ['-Xmx1g', '-jar', jar, ...args], 'ignore')
  const url = `http://127.0.0.1:${port}`
  await answering(`${url}/actuator/health`, child)
  return { url, child }
}

async function startOurs({ settings }: Rig): Promise<{ readonly url: string; readonly child: ChildProcess }> {
  const product = [join(import.meta.dirname, 'server-product.mjs'), 'configured', JSON.stringify(settings)]
  const child = startServer(process.execPath, product, ['ignore', 'inherit', 'inherit', 'ipc'])
  const [{ url }] = (await once(child, 'message')) as [{ readonly url: string }]
  return { url, child }
}

const before = new Set(started())
const store = await s3Stores.minio.start()
const storePids = started().filter((pid) => !before.has(pid))
const auth = await startAuthStandIn()
const song = fork(join(import.meta.dirname, 'server-song.mjs'), [JSON.stringify(object)], {
  stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
})
const [{ url: songUrl }] = (await once(song, 'message')) as [{ readonly url: string }]
const songCalls = async (): Promise<number> => {
  song.send('calls')
  return ((await once(song, 'message')) as [number])[0]
}
/** Processor time so far of each part of the rig; that of the load is this process's own. */
const rigTimes = (): Readonly<Record<string, number>> => ({
  store: storePids.reduce((sum, pid) => sum + processorTime(pid), 0),
  song: processorTime(song.pid),
  load: processorTime(process.pid),
})
const children: ChildProcess[] = [song]
try {
  const { objectId } = object
  const bytes = new Uint8Array(1024)
  const part = { partNumber: 1, partSize: bytes.length, offset: 0, url: null, md5: null, sourceMd5: '0'.repeat(32) }
  const meta = { objectKey: `data/${objectId}`, objectId, uploadId: 'bench', parts: [part], objectSize: bytes.length, objectMd5: null }
  await store.backend.put({ bucket, key: 'data/heliograph' }, new Uint8Array(0))
  await store.backend.put({ bucket, key: `data/${objectId}` }, bytes)
  await store.backend.put({ bucket, key: `data/${objectId}.meta` }, Buffer.from(JSON.stringify(meta)))
  const rig: Rig = {
    token: await auth.token({ scopes: ['PROGRAMDATA-BENCH.READ'] }),
    settings: {
      'spring.profiles.active': 'prod,secure,s3',
      's3.secured': 'false',
      's3.endpoint': store.endpoint,
      's3.accessKey': store.credentials.accessKeyId,
      's3.secretKey': store.credentials.secretAccessKey,
      's3.sigV4Enabled': 'true',
      'bucket.name.object': bucket,
      'bucket.name.state': bucket,
      'metadata.url': songUrl,
      'spring.security.oauth2.resourceserver.jwt.public-key-location': auth.publicKeyUrl,
      'auth.server.url': auth.apiKeyUrl,
      'auth.server.provider': 'ego',
    },
  }
  const ours = await startOurs(rig)
  children.push(ours.child)
  const original = await startOriginal(rig)
  children.push(original.child)
  const turn = async (name: string, { url, child }: typeof ours) => {
    const headers = { authorization: `Bearer ${rig.token}` }
    const side: Side = { name, url: `${url}/download/${objectId}?offset=0&length=-1`, headers }
    const [cpu, rigBefore, calls] = [processorTime(child.pid), rigTimes(), await songCalls()]
    const rate = await measure(side, { requests, connections })
    const after = rigTimes()
    const parts = Object.entries(rigBefore).map(([part, time]): [string, number] => [part, ((after[part] ?? 0) - time) / requests])
    return { rate, cpu: (processorTime(child.pid) - cpu) / requests, rig: new Map(parts), calls: ((await songCalls()) - calls) / requests }
  }
  const turns: { readonly ours: Awaited<ReturnType<typeof turn>>; readonly original: Awaited<ReturnType<typeof turn>> }[] = []
  for (let round = 0; round <= rounds; round++) {
    const both = { ours: await turn('ours', ours), original: await turn('the original', original) }
    // The first round only warms up.
    if (round > 0) turns.push(both)
  }
  const row = (name: 'ours' | 'original'): string => {
    const spread = (of: 'rate' | 'cpu' | 'calls', digits: number): string =>
      spreadText(spreadOf(turns.map((both) => both[name][of])), digits)
    const middle = (part: string): string => spreadOf(turns.map((both) => both[name].rig.get(part) ?? 0)).middle.toFixed(0)
    const rig = ['store', 'song', 'load'].map((part) => `${part} ${middle(part)}`).join(', ')
    return `${spread('rate', 0)} requests/s, ${spread('cpu', 0)} µs of processor time (rig, medians: ${rig}), ${spread('calls', 2)} calls to Song`
  }
  const ratio = spreadOf(turns.map((both) => both.ours.rate / both.original.rate))
  const times = spreadOf(turns.map((both) => both.original.cpu / both.ours.cpu))
  const calls = Math.max(...turns.map((both) => both.ours.calls))
  process.stdout.write(
    `node ${process.version}, ${connections} connections, ${requests} requests x ${rounds} in turns, ${pinned ? 'one processor each for server and rig' : 'not pinned'}; each for one request; min / median / max\n` +
      `ours           ${row('ours')}\n` +
      `the original   ${row('original')}\n` +
      `ratio of requests a second   ${spreadText(ratio, 1)} (goal ${least})\n` +
      `ratio of processor time      ${spreadText(times, 1)}\n`,
  )
  // The one look before each turn, and an entity that is asked for again after its half minute.
  if (ratio.middle < least || calls > 1.01) process.exitCode = 1
} finally {
  for (const child of children) child.kill('SIGKILL')
  await auth.close()
  await store.stop()
}
