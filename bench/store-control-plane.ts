import { randomBytes } from 'node:crypto'
import { Agent, request } from 'node:http'
import { CompleteMultipartUploadCommand, CreateMultipartUploadCommand, UploadPartCommand } from '@aws-sdk/client-s3'
import { md5Hex } from '../src/core/checksum.ts'
import { openFaultBench } from '../test/services/support/fault-bench.ts'
import { type S3TestStore, startCeph } from '../test/services/support/s3-stores.ts'
import { openServiceOnStore } from '../test/services/support/service-on-store.ts'

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

/** Ceph alone takes parts of a few bytes, so that many of them fit here. @returns whether the floor holds. */
export async function completionCost(count: number): Promise<boolean> {
  const store = await startCeph({ minimumPartBytes: 1 })
  const { backend, bucket, client } = store
  for (const one of ['cost.data', 'cost.state']) await store.createBucket(one)
  const service = await openServiceOnStore({ backend, objectBucket: 'cost.data', stateBucket: 'cost.state', partBytes: 8 })
  const agent = new Agent({ keepAlive: true, maxSockets: 16 })
  try {
    const body = randomBytes(8 * count)
    const partOf = (index: number): Buffer => body.subarray(8 * index, 8 * index + 8)

    const at = { Bucket: bucket, Key: 'cost/own' }
    const { UploadId } = await client.send(new CreateMultipartUploadCommand(at))
    const Parts: { PartNumber: number; ETag: string }[] = []
    await inParallel(count, async (index) => {
      const { ETag = '' } = await client.send(new UploadPartCommand({ ...at, UploadId, PartNumber: index + 1, Body: partOf(index) }))
      Parts[index] = { PartNumber: index + 1, ETag }
    })
    let started = performance.now()
    await client.send(new CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload: { Parts } }))
    const own = seconds(started)

    const md5 = md5Hex(body)
    const objectId = await service.register({ size: body.length, md5, access: 'controlled' })
    const spec = await service.api.openUpload({ objectId, size: body.length, md5 })
    await inParallel(count, async (index) => {
      const part = spec.parts[index]
      if (part === undefined) throw new Error(`the plan has ${spec.parts.length} parts`)
      const bytes = partOf(index)
      await new Promise<void>((resolve, reject) => {
        const sent = request(part.url, { method: 'PUT', agent, headers: { 'content-length': bytes.length } }, (answer) => {
          answer.resume().on('end', resolve)
        })
        sent.on('error', reject).end(bytes)
      })
      await service.api.finalizePart(spec, { number: part.number, md5: md5Hex(bytes), etag: md5Hex(bytes) })
    })
    started = performance.now()
    await service.api.finalizeUpload(spec)
    const ours = seconds(started)
    const held = ours <= 2 * own
    console.log(
      `\nceph, completion of ${count} parts: the store's own ${own.toFixed(2)} s, the service's ${ours.toFixed(2)} s, x${(ours / own).toFixed(2)}${held ? '' : '  ABOVE THE FLOOR of 2'}`,
    )
    return held
  } finally {
    agent.destroy()
    await service.close()
    await store.stop()
  }
}
