import { randomBytes } from 'node:crypto'
import { Agent, request } from 'node:http'
import { CompleteMultipartUploadCommand } from '@aws-sdk/client-s3'
import { md5Hex } from '../src/core/checksum.ts'
import type { S3Store } from '../src/s3.ts'
import { observeBackend, type StoreCall } from '../src/storage/observed-backend.ts'
import { openFaultBench } from '../test/services/support/fault-bench.ts'
import { type S3TestStore, s3Stores, startCeph } from '../test/services/support/s3-stores.ts'
import { openServiceOnStore, type ServiceOnStore } from '../test/services/support/service-on-store.ts'
import { median, spread } from './transfer-report.ts'

async function inParallel(count: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) await work(index)
  }
  await Promise.all(Array.from({ length: 16 }, worker))
}

/** What reaches the store for one upload: by the client 1 PUT for each part, by the service two requests in the normal case. */
export async function requestsPerPart(name: string, store: S3TestStore): Promise<void> {
  const bench = await openFaultBench(store)
  try {
    const objectId = await bench.registered()
    const before = bench.proxy.counts()
    await bench.upload(objectId)
    const after = Object.entries(bench.proxy.counts()).map(([operation, count]) => {
      const earlier = before[operation as keyof typeof before] ?? 0
      return [operation, count - earlier] as const
    })
    console.log(`\n${name}, requests for an upload of 3 parts: ${after.map(([operation, count]) => `${operation} ${count}`).join(', ')}`)
  } finally {
    await bench.close()
  }
}

function seconds(since: number): number {
  return (performance.now() - since) / 1000
}

/** What of a completion is measured: many parts where the store takes small ones, else as many as fit here. */
export interface CompletionBench {
  readonly name: S3Store
  readonly parts: number
  readonly rounds: number
}

/** S3's bound; Ceph alone has a setting for it, so that many parts fit here. */
const minimumPartBytes = 5 * 1024 ** 2

async function startStore(name: S3Store): Promise<{ readonly store: S3TestStore; readonly partBytes: number }> {
  if (name !== 'ceph') return { store: await s3Stores[name].start(), partBytes: minimumPartBytes }
  return { store: await startCeph({ minimumPartBytes: 1 }), partBytes: 8 }
}

type Send = (url: string, body: Uint8Array) => Promise<void>

function createSender(): { readonly send: Send; close(): void } {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 })
  const send: Send = (url, body) =>
    new Promise((resolve, reject) => {
      const sent = request(url, { method: 'PUT', agent, headers: { 'content-length': body.length } }, (answer) => {
        answer.resume().on('end', () => (answer.statusCode === 200 ? resolve() : reject(new Error(`PUT answered ${answer.statusCode}`))))
      })
      sent.on('error', reject).end(body)
    })
  return { send, close: () => agent.destroy() }
}

/** Seconds of the store's own completion, asked with the list of parts at hand. */
async function ownCompletion({ backend, bucket, client }: S3TestStore, parts: readonly Uint8Array[], send: Send): Promise<number> {
  const multipart = await backend.createMultipart({ bucket, key: `cost/own-${randomBytes(4).toString('hex')}` })
  await inParallel(parts.length, async (index) => {
    const { url } = await backend.presign({ action: 'put-part', multipart, partNumber: index + 1, expiresInSeconds: 3600 })
    await send(url, parts[index] as Uint8Array)
  })
  const Parts = parts.map((part, index) => ({ PartNumber: index + 1, ETag: md5Hex(part) }))
  const at = { Bucket: bucket, Key: multipart.key, UploadId: multipart.uploadId }
  const started = performance.now()
  await client.send(new CompleteMultipartUploadCommand({ ...at, MultipartUpload: { Parts } }))
  const own = seconds(started)
  await backend.delete(multipart)
  return own
}

interface ServiceCompletion {
  /** Until the answer. */
  readonly seconds: number
  /** Until all that is done behind it. */
  readonly settled: number
  readonly before: readonly StoreCall[]
  readonly behind: readonly StoreCall[]
}

async function serviceCompletion(
  service: ServiceOnStore,
  calls: readonly StoreCall[],
  parts: readonly Uint8Array[],
  send: Send,
): Promise<ServiceCompletion> {
  const body = Buffer.concat(parts)
  const md5 = md5Hex(body)
  const objectId = await service.register({ size: body.length, md5, access: 'controlled' })
  const spec = await service.api.openUpload({ objectId, size: body.length, md5 })
  await inParallel(parts.length, async (index) => {
    const part = spec.parts[index]
    if (part === undefined) throw new Error(`the plan has ${spec.parts.length} parts`)
    const bytes = parts[index] as Uint8Array
    await send(part.url, bytes)
    await service.api.finalizePart(spec, { number: part.number, md5: md5Hex(bytes), etag: md5Hex(bytes) })
  })
  const before = calls.length
  const started = performance.now()
  await service.api.finalizeUpload(spec)
  const [answered, callsAnswered] = [seconds(started), calls.length]
  await service.settle()
  return { seconds: answered, settled: seconds(started), before: calls.slice(before, callsAnswered), behind: calls.slice(callsAnswered) }
}

function told(calls: readonly StoreCall[]): string {
  return calls.map(({ operation, durationMs }) => `${operation} ${durationMs.toFixed(0)}`).join(', ')
}

/** @returns whether the floor holds: an answer within twice the store's own time. */
export async function completionCost({ name, parts: count, rounds }: CompletionBench): Promise<boolean> {
  const { store, partBytes } = await startStore(name)
  const calls: StoreCall[] = []
  for (const one of ['cost.data', 'cost.state']) await store.createBucket(one)
  const service = await openServiceOnStore({
    backend: observeBackend(store.backend, (call) => calls.push(call)),
    objectBucket: 'cost.data',
    stateBucket: 'cost.state',
    partBytes,
  })
  const { send, close } = createSender()
  try {
    const piece = randomBytes(partBytes)
    const parts = Array.from({ length: count }, () => (partBytes < 1000 ? randomBytes(partBytes) : piece))
    const own: number[] = []
    const ours: ServiceCompletion[] = []
    for (let round = 0; round < rounds; round++) {
      own.push(await ownCompletion(store, parts, send))
      ours.push(await serviceCompletion(service, calls, parts, send))
    }
    const ratio = median(ours.map((one, round) => one.seconds / (own[round] ?? Number.NaN)))
    const held = ratio <= 2
    const { before, behind } = ours[0] as ServiceCompletion
    console.log(
      `\n${name}, completion of ${count} parts, seconds min / median / max: the store's own ${spread(own, 3)}, the service's answer ` +
        `${spread(
          ours.map((one) => one.seconds),
          3,
        )} (${before.length} calls), and all behind it ${spread(
          ours.map((one) => one.settled),
          3,
        )} ` +
        `(${behind.length} more): x${ratio.toFixed(2)}${held ? '  (floor 2)' : '  ABOVE THE FLOOR of 2'}`,
    )
    console.log(`  of the first, in ms: ${told(before)}; behind the answer: ${told(behind)}`)
    return held
  } finally {
    close()
    await service.close()
    await store.stop()
  }
}
