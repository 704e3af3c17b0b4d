import fs from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { isScoreError } from '../../../src/core/errors.ts'
import { createLocalBackend, type LocalBackend } from '../../../src/storage/local/backend.ts'
import type { MultipartRef, StoredPart } from '../../../src/storage/storage-backend.ts'
import { suite } from '../../support/suite.ts'

/**
 * A crash before every single call that changes the disk: from that call on, nothing of the operation happens any more.
 * The wrapped functions are put into node:fs itself, so the code under test is the code that ships.
 */
const changing = ['open', 'rename', 'link', 'unlink', 'rm', 'rmdir', 'mkdir'] as const
const real = Object.fromEntries(changing.map((name) => [name, fs.promises[name]]))

interface Crash {
  readonly happened: boolean
}

async function runUntilCrash(work: () => Promise<unknown>, callsBefore: number): Promise<Crash> {
  let calls = 0
  let crashed: () => void = () => undefined
  const crash = new Promise<Crash>((resolve) => {
    crashed = () => resolve({ happened: true })
  })
  for (const name of changing) {
    const call = real[name] as (...args: readonly unknown[]) => Promise<unknown>
    const wrapped = (...args: readonly unknown[]): Promise<unknown> => {
      const onlyReads = name === 'open' && (args[1] === undefined || args[1] === 'r')
      if (onlyReads || calls++ < callsBefore) return call(...args)
      crashed()
      return new Promise(() => undefined)
    }
    Object.assign(fs.promises, { [name]: wrapped })
  }
  syncBuiltinESMExports()
  try {
    return await Promise.race([work().then(() => ({ happened: false })), crash])
  } finally {
    Object.assign(fs.promises, real)
    syncBuiltinESMExports()
  }
}

const bucket = 'crashes'
const address = { bucket, key: 'data/object' }

/** Locks of the crashed operation name this process, which lives on; a dead one takes its place. */
async function buryHolders(folder: string): Promise<void> {
  const locks = join(folder, bucket, '.score', 'locks')
  for (const name of await readdir(locks).catch(() => [])) {
    const text = await readFile(join(locks, name), 'utf8')
    await writeFile(join(locks, name), text.replace(`"pid":${process.pid},`, `"pid":${2 ** 22 + 9},`))
  }
}

async function* once(body: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(body)
}

async function send(backend: LocalBackend, multipart: MultipartRef, number: number, body: string): Promise<StoredPart> {
  return backend.writePart(multipart, { number, size: body.length, bytes: once(body) })
}

async function contentOf(backend: LocalBackend): Promise<string | undefined> {
  const chunks: Uint8Array[] = []
  try {
    for await (const chunk of backend.get(address)) chunks.push(chunk)
  } catch (error) {
    if (isScoreError(error, 'object-not-found')) return undefined
    throw error
  }
  const text = Buffer.concat(chunks).toString()
  assert.is((await backend.head(address))?.size, text.length)
  return text
}

interface Scene {
  readonly backend: LocalBackend
  readonly multipart: MultipartRef
  readonly parts: readonly StoredPart[]
}

type Setup = (backend: LocalBackend, folder: string) => Promise<unknown>

async function assemble(backend: LocalBackend, ...bodies: readonly string[]): Promise<void> {
  const multipart = await backend.createMultipart(address)
  const parts: StoredPart[] = []
  for (const [index, body] of bodies.entries()) parts.push(await send(backend, multipart, index + 1, body))
  await backend.completeMultipart(multipart, parts)
}

const setups: Readonly<Record<string, { readonly old: string | undefined; readonly make: Setup }>> = {
  nothing: { old: undefined, make: async () => undefined },
  'a put object': { old: 'old put', make: (backend) => backend.put(address, Buffer.from('old put')) },
  'a multipart object': { old: 'old parts', make: (backend) => assemble(backend, 'old ', 'parts') },
  'a multipart object above a forgotten put one': { old: 'old parts', make: withForgotten },
  'a put object that was a multipart one': {
    old: 'old put',
    make: async (backend) => {
      await assemble(backend, 'older ', 'parts')
      await backend.put(address, Buffer.from('old put'))
    },
  },
}

/** What a completion leaves that was killed before it removed the put object that it replaced. */
async function withForgotten(backend: LocalBackend, folder: string): Promise<void> {
  await assemble(backend, 'old ', 'parts')
  await writeFile(join(folder, bucket, address.key), 'forgotten')
}

/** After a crash: what the object may be now, and what the same operation makes of it. */
interface Operation {
  readonly run: (scene: Scene) => Promise<unknown>
  readonly made: string | undefined | 'old'
  /** The upload that the scene has in progress may be gone when the object is the new one. */
  readonly usesUpload: boolean
}

const operations: Readonly<Record<string, Operation>> = {
  put: { run: ({ backend }) => backend.put(address, Buffer.from('new put')), made: 'new put', usesUpload: false },
  delete: { run: ({ backend }) => backend.delete(address), made: undefined, usesUpload: false },
  complete: { run: ({ backend, multipart, parts }) => backend.completeMultipart(multipart, parts), made: 'new parts', usesUpload: true },
  abort: { run: ({ backend, multipart }) => backend.abortMultipart(multipart), made: 'old', usesUpload: true },
  'send a part again': { run: ({ backend, multipart }) => send(backend, multipart, 2, 'parts'), made: 'old', usesUpload: false },
}

async function prepare(folder: string, setup: Setup): Promise<Scene> {
  const backend = createLocalBackend({ folder, publicUrl: 'http://store', signingKey: Buffer.alloc(32), durable: false })
  await setup(backend, folder)
  const multipart = await backend.createMultipart(address)
  const parts = [await send(backend, multipart, 1, 'new '), await send(backend, multipart, 2, 'parts')]
  return { backend, multipart, parts }
}

async function uploadIsThere({ backend, multipart, parts }: Scene): Promise<boolean> {
  const held: StoredPart[] = []
  try {
    for await (const part of backend.listParts(multipart)) held.push(part)
  } catch (error) {
    assert.ok(isScoreError(error, 'upload-not-found'), String(error))
    return false
  }
  assert.equal(held, parts)
  return true
}

async function leftovers(folder: string, backend: LocalBackend): Promise<string[]> {
  await backend.sweep({ olderThanMs: -60_000 })
  const names = await readdir(join(folder, bucket), { recursive: true })
  return names.filter((name) => /\.tmp-|locks\/|\d{3}\/\d{5}\./.test(name))
}

async function checkAfter(folder: string, scene: Scene, operation: Operation, old: string | undefined): Promise<void> {
  const { backend } = scene
  const made = operation.made === 'old' ? old : operation.made
  const found = await contentOf(backend)
  assert.ok(found === old || found === made, `holds ${found}, neither ${old} nor ${made}`)
  const listed: string[] = []
  for await (const object of backend.list({ bucket, key: '' })) listed.push(object.key)
  assert.equal(listed, found === undefined ? [] : [address.key])
  const isThere = await uploadIsThere(scene)
  if (!operation.usesUpload || (operation.made !== 'old' && found !== made)) assert.ok(isThere, 'the upload is lost')
  await operation.run(scene).catch((error: unknown) => {
    assert.ok(operation.usesUpload && !isThere && isScoreError(error, 'upload-not-found'), String(error))
  })
  assert.is(await contentOf(backend), made)
  await backend.delete(address)
  await backend.abortMultipart(scene.multipart)
  assert.is(await contentOf(backend), undefined, 'something older came to light')
  assert.equal(await leftovers(folder, backend), [])
}

suite('storage/local crash points', (test) => {
  for (const [operationName, operation] of Object.entries(operations)) {
    for (const [setupName, { old, make }] of Object.entries(setups)) {
      if (operation.made === 'old' && old === 'old put') continue
      test(`${operationName} over ${setupName}`, async () => {
        let point = 0
        for (let happened = true; happened; point++) {
          const folder = await mkdtemp(join(tmpdir(), 'score-crash-'))
          try {
            const scene = await prepare(folder, make)
            const crash = await runUntilCrash(() => operation.run(scene), point)
            happened = crash.happened
            await buryHolders(folder)
            await checkAfter(folder, scene, operation, old)
          } catch (error) {
            throw new Error(`crash before change ${point}: ${String(error)}`, { cause: error })
          } finally {
            await rm(folder, { recursive: true })
          }
        }
        assert.ok(point >= 2, `only ${point} changes were seen`)
      })
    }
  }
})
