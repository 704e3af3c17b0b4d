import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { md5Hex } from '../../../src/core/checksum.ts'
import type { RetryNotice } from '../../../src/core/retry.ts'
import { createS3Backend, type S3BackendOptions } from '../../../src/s3.ts'
import type { StorageBackend } from '../../../src/storage/storage-backend.ts'
import { createTransferEngine } from '../../../src/transfer/transfer-engine.ts'
import type { TransferEngine, TransferReceipt } from '../../../src/transfer/transfer-task.ts'
import { createPartTransport } from '../../../src/transfer/transport/create-part-transport.ts'
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts'
import type { S3TestStore } from './s3-stores.ts'
import { openServiceOnStore, type ServiceOnStore } from './service-on-store.ts'

const partBytes = 5 * 1024 ** 2

/** A service, a client and a store, with a proxy that misbehaves between the store and both. */
export interface FaultBench {
  readonly store: S3TestStore
  readonly proxy: FaultProxy
  readonly service: ServiceOnStore
  /** The driver as the service has it, without repeats. */
  readonly backend: StorageBackend
  readonly engine: TransferEngine
  /** Two parts and a bit. */
  readonly body: Buffer
  /** The file that holds them. */
  readonly source: string
  readonly md5: string
  /** Waits before repeats since the last call of {@link forget}, by client and service; nobody really waits. */
  readonly waits: RetryNotice['waitMs'][]
  forget(): void
  /** What is done instead of each wait, until told otherwise. */
  onWait(act: (ms: number) => Promise<void>): void
  registered(): Promise<string>
  upload(objectId: string): Promise<TransferReceipt>
  /** Uploads and publishes, with the store well. */
  stored(): Promise<string>
  /** @throws when the file is not the body. */
  download(objectId: string): Promise<TransferReceipt>
  /** Another driver through the proxy. */
  driver(options: S3BackendOptions): StorageBackend
  close(): Promise<void>
}

export async function openFaultBench(store: S3TestStore): Promise<FaultBench> {
  const proxy = await startFaultProxy(store.endpoint)
  const waits: number[] = []
  let act: (ms: number) => Promise<void> = async () => undefined
  const sleep = async (ms: number): Promise<void> => {
    waits.push(ms)
    await act(ms)
  }
  const through: S3BackendOptions = { ...store.options, endpoint: proxy.url }
  const backend = createS3Backend({ ...through, idleTimeoutMs: 60_000 })
  for (const bucket of ['faults.data', 'faults.state']) await store.createBucket(bucket)
  const service = await openServiceOnStore({ backend, objectBucket: 'faults.data', stateBucket: 'faults.state', retry: { sleep } })
  const transport = createPartTransport({ workers: 0 })
  // The longest waits there can be, so that what is waited for does not depend on chance.
  const engine = createTransferEngine({ api: service.api, transport, sleep, random: () => 1, graceMs: 2000 })
  const folder = await mkdtemp(join(tmpdir(), 'score-faults-'))
  const body = randomBytes(partBytes * 2 + 77_777)
  const md5 = md5Hex(body)
  const source = join(folder, 'source.bam')
  await writeFile(source, body)
  let files = 0

  const registered = (): Promise<string> => service.register({ size: body.length, md5, access: 'controlled' })
  // What is done behind the answer meets faults as well.
  const upload = async (objectId: string): Promise<TransferReceipt> => {
    const receipt = await engine.upload({ objectId, from: { path: source }, md5 })
    await service.settle()
    return receipt
  }
  const bench: FaultBench = {
    store,
    proxy,
    service,
    backend,
    engine,
    source,
    body,
    md5,
    waits,
    forget: () => void waits.splice(0),
    onWait: (wanted) => {
      act = wanted
    },
    registered,
    upload,
    async stored() {
      const objectId = await registered()
      await upload(objectId)
      await service.publish(objectId)
      return objectId
    },
    async download(objectId) {
      const path = join(folder, `got-${++files}.bam`)
      const receipt = await engine.download({ objectId, path })
      assert.is(md5Hex(await readFile(path)), md5, 'the file has the bytes of the object')
      await rm(path)
      return receipt
    },
    driver: (options) => createS3Backend({ ...through, ...options }),
    async close() {
      await engine.close()
      await transport.close()
      await service.close()
      await proxy.close()
      await rm(folder, { recursive: true })
    },
  }
  return bench
}
