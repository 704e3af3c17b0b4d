import { createRetryingBackend } from '../../../src/index.ts'
import { createS3Backend, type S3BackendOptions } from '../../../src/s3.ts'

/** Does with a store what a server does, on a machine whose clock is wrong, and says how it went. */
const { bucket, options } = JSON.parse(process.env['CLOCK_TASK'] ?? '') as { readonly bucket: string; readonly options: S3BackendOptions }
const waits: number[] = []
const sleep = async (ms: number): Promise<void> => void waits.push(ms)
const backend = createRetryingBackend(createS3Backend(options), { sleep })

const address = { bucket, key: 'clock/object' }
await backend.put(address, Buffer.from('told in time'))
const { url, expiresAt } = await backend.presign({ action: 'get', address, expiresInSeconds: 600 })
const got = await fetch(url)
const multipart = await backend.createMultipart({ bucket, key: 'clock/parts' })
const part = await backend.presign({ action: 'put-part', multipart, partNumber: 1, expiresInSeconds: 600 })
const sent = await fetch(part.url, { method: 'PUT', body: 'a part' })
await sent.arrayBuffer()
await backend.abortMultipart(multipart)
console.log(
  JSON.stringify({
    now: Date.now(),
    expiresAt: expiresAt.getTime(),
    repeats: waits.length,
    get: [got.status, await got.text()],
    put: sent.status,
  }),
)
