/**
 * The control plane's speed with Song and a bucket behind it: an authorised `GET /download/{id}` of ours and of the original's
 * server, in turns, on one rig: MinIO, a Song that answers at once, JWTs of one key. Prints requests a second, processor time
 * for a request, and calls to Song; fails below five times the original, or with more than one call to Song for a request.
 *
 *   SCORE_ORIGINAL=<folder of score-server.jar> npm run bench:server:behind -- [requests each] [connections] [rounds]
 *
 * Needs Java 17 and MinIO, as the tests with stores do.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { startAuthStandIn } from '../test/compat/support/auth-stand-in.ts'
import { s3Stores } from '../test/services/support/s3-stores.ts'
import { freePort } from '../test/support/free-port.ts'
import { measure, type Side, spreadOf, spreadText } from './server-load.ts'

const [requests = 3000, connections = 8, rounds = 5] = process.argv.slice(2).map(Number)
const jar = join(process.env['SCORE_ORIGINAL'] ?? '', 'score-server.jar')
if (!existsSync(jar)) throw new Error(`there is no ${jar}: name the folder of the original's programs in SCORE_ORIGINAL`)
const least = 5

const object = { objectId: randomUUID(), analysisId: 'AN-BENCH', study: 'BENCH' }
const bucket = 'oicr.icgc'

/** Processor time of a process and its threads so far, in microseconds: Linux counts in ticks of 10 ms. */
function processorTime({ pid }: ChildProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10_000
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
  const child = spawn('java', ['-Xmx1g', '-jar', jar, ...args], { stdio: 'ignore' })
  const url = `http://127.0.0.1:${port}`
  await answering(`${url}/actuator/health`, child)
  return { url, child }
}

async function startOurs({ settings }: Rig): Promise<{ readonly url: string; readonly child: ChildProcess }> {
  const child = fork(join(import.meta.dirname, 'server-product.mjs'), ['configured', JSON.stringify(settings)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const [{ url }] = (await once(child, 'message')) as [{ readonly url: string }]
  return { url, child }
}

const store = await s3Stores.minio.start()
const auth = await startAuthStandIn()
const song = fork(join(import.meta.dirname, 'server-song.mjs'), [JSON.stringify(object)], {
  stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
})
const [{ url: songUrl }] = (await once(song, 'message')) as [{ readonly url: string }]
const songCalls = async (): Promise<number> => {
  song.send('calls')
  return ((await once(song, 'message')) as [number])[0]
}
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
    const [cpu, calls] = [processorTime(child), await songCalls()]
    const rate = await measure(side, { requests, connections })
    return { rate, cpu: (processorTime(child) - cpu) / requests, calls: ((await songCalls()) - calls) / requests }
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
    return `${spread('rate', 0)} requests/s, ${spread('cpu', 0)} µs of processor time, ${spread('calls', 2)} calls to Song`
  }
  const ratio = spreadOf(turns.map((both) => both.ours.rate / both.original.rate))
  const times = spreadOf(turns.map((both) => both.original.cpu / both.ours.cpu))
  const calls = Math.max(...turns.map((both) => both.ours.calls))
  process.stdout.write(
    `node ${process.version}, ${connections} connections, ${requests} requests x ${rounds} in turns; each for one request; min / median / max\n` +
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
