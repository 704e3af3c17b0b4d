/**
 * A process that puts, uploads, completes, replaces, deletes and aborts until it is killed. Every object it writes proves
 * itself: 64 digits of SHA-256 over the rest. Each step is told on stdout before and after. Arguments: folder, name, seed.
 */
import { createHash } from 'node:crypto'
import { existsSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createLocalBackend } from '../../../src/storage/local/backend.ts'
import type { MultipartRef, ObjectAddress, StoredPart } from '../../../src/storage/storage-backend.ts'

const [folder = '', name = '', seed = ''] = process.argv.slice(2)
const bucket = 'churn'

let state = Number.parseInt(createHash('sha256').update(`${name} ${seed}`).digest('hex').slice(0, 8), 16)
/** mulberry32: the same steps for the same seed. */
function random(below: number): number {
  state = (state + 0x6d2b79f5) | 0
  let t = Math.imul(state ^ (state >>> 15), 1 | state)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) % below
}

function provable(length: number): Buffer {
  const rest = Buffer.alloc(length, `${name} ${seed} ${random(1e9)} `)
  return Buffer.concat([Buffer.from(createHash('sha256').update(rest).digest('hex')), rest])
}

function tell(step: string, key: string, proof = ''): void {
  writeSync(1, `${JSON.stringify({ step, key, proof })}\n`)
}

const backend = createLocalBackend({ folder, publicUrl: 'http://store', signingKey: Buffer.alloc(32), durable: false })

async function* pieces(body: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < body.length; at += 700) yield body.subarray(at, at + 700)
}

async function sendPart(multipart: MultipartRef, number: number, body: Buffer): Promise<StoredPart> {
  return backend.writePart(multipart, { number, size: body.length, bytes: pieces(body) })
}

async function upload(address: ObjectAddress): Promise<void> {
  const body = provable(500 + random(9000))
  const multipart = await backend.createMultipart(address)
  const count = 1 + random(4)
  const parts: StoredPart[] = []
  for (let number = 1; number <= count; number++) {
    const slice = body.subarray(Math.floor(((number - 1) * body.length) / count), Math.floor((number * body.length) / count))
    if (random(4) === 0) await sendPart(multipart, number, Buffer.from('an earlier try'))
    parts.push(await sendPart(multipart, number, slice))
    tell('part', multipart.key, JSON.stringify({ uploadId: multipart.uploadId, number, etag: parts.at(-1)?.etag }))
  }
  if (random(6) === 0) {
    tell('abort', multipart.key, multipart.uploadId)
    await backend.abortMultipart(multipart)
    return
  }
  tell('write', address.key, body.toString('latin1', 0, 64))
  await backend.completeMultipart(multipart, parts)
  tell('written', address.key, multipart.uploadId)
}

async function step(): Promise<void> {
  const key = ['shared/x', 'shared/y', `${name}/a`, `${name}/b`, `${name}/deep/er/c`][random(5)] as string
  const address = { bucket, key }
  const choice = random(10)
  if (choice < 4) return upload(address)
  if (choice < 8) {
    const body = provable(random(3000))
    tell('write', key, body.toString('latin1', 0, 64))
    await backend.put(address, body)
  } else {
    tell('write', key, 'none')
    await backend.delete(address)
  }
  tell('written', key)
}

const parent = process.ppid
tell('ready', '')
while (process.ppid === parent && !existsSync(join(folder, `go-${seed}`))) await sleep(2)
while (process.ppid === parent) await step()
