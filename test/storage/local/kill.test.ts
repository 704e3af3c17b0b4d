import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { isScoreError } from '../../../src/core/errors.ts'
import { createLocalBackend, type LocalBackend } from '../../../src/storage/local/backend.ts'
import { readRecordHeader } from '../../../src/storage/local/object-record.ts'
import type { StoredPart } from '../../../src/storage/storage-backend.ts'
import { type DoomedChild, killHard, startDoomed } from '../../support/doomed-child.ts'
import { suite } from '../../support/suite.ts'

const bucket = 'churn'
/** Two processes die at each. */
const moments = Number(process.env['SCORE_KILL_MOMENTS'] ?? 16) / 2
const names = ['left', 'right'] as const

interface Told {
  readonly step: 'ready' | 'part' | 'abort' | 'write' | 'written'
  readonly key: string
  readonly proof: string
}

interface Churn {
  readonly name: string
  readonly child: DoomedChild
  readonly output: () => string
}

function start(folder: string, name: string, seed: number): Churn {
  const child = startDoomed(join(import.meta.dirname, 'store-churn.ts'), folder, name, String(seed))
  let output = ''
  child.stdout.on('data', (data: Buffer) => (output += data.toString()))
  return { name, child, output: () => output }
}

async function whenReady({ child, output }: Churn): Promise<void> {
  while (!output().includes('\n')) await once(child.stdout, 'data')
}

/** Somewhere in the step after so many, whatever the speed of the machine. */
async function killAfter({ child, output }: Churn, steps: number): Promise<void> {
  while (output().split('\n').length <= steps) await once(child.stdout, 'data')
  await killHard(child)
}

function toldBy(churn: Churn): Told[] {
  const lines = churn.output().split('\n')
  return lines.slice(0, -1).map((line) => JSON.parse(line) as Told)
}

/** What each key of one process may hold now: what it wrote last, or what it was writing. */
function allowed(told: readonly Told[], before: ReadonlyMap<string, readonly string[]>): Map<string, readonly string[]> {
  const result = new Map(before)
  let pending = 'none'
  for (const { step, key, proof } of told) {
    if (step === 'write') {
      pending = proof
      result.set(key, [...(result.get(key) ?? ['none']), proof])
    } else if (step === 'written') result.set(key, [pending])
  }
  return result
}

async function proofOf(backend: LocalBackend, key: string): Promise<string> {
  const chunks: Uint8Array[] = []
  try {
    for await (const chunk of backend.get({ bucket, key })) chunks.push(chunk)
  } catch (error) {
    if (isScoreError(error, 'object-not-found')) return 'none'
    throw error
  }
  const bytes = Buffer.concat(chunks)
  const proof = bytes.toString('latin1', 0, 64)
  assert.is(createHash('sha256').update(bytes.subarray(64)).digest('hex'), proof, `${key} is not whole (${bytes.length} bytes)`)
  assert.is((await backend.head({ bucket, key }))?.size, bytes.length)
  return proof
}

/** Parts that were acknowledged and not given up must be there, whatever happened since. */
async function checkParts(backend: LocalBackend, told: readonly Told[]): Promise<number> {
  const uploads = new Map<string, { key: string; parts: { number: number; etag: string }[] }>()
  for (const { step, key, proof } of told) {
    if (step === 'part') {
      const { uploadId, number, etag } = JSON.parse(proof) as { uploadId: string; number: number; etag: string }
      const upload = uploads.get(uploadId) ?? { key, parts: [] }
      upload.parts.push({ number, etag })
      uploads.set(uploadId, upload)
    } else if (step === 'abort') uploads.delete(proof)
    else if (step === 'written') uploads.delete(proof)
  }
  let resumed = 0
  for (const [uploadId, { key, parts }] of uploads) {
    const held: StoredPart[] = []
    try {
      for await (const part of backend.listParts({ bucket, key, uploadId })) held.push(part)
    } catch (error) {
      // The kill came after the object had appeared and before the process could tell.
      assert.ok(isScoreError(error, 'upload-not-found'), String(error))
      assert.is(told.findLast((one) => one.step === 'write')?.key, key, 'an upload vanished that was not being completed')
      continue
    }
    for (const { number, etag } of parts)
      assert.ok(
        held.some((part) => part.number === number && part.etag === etag),
        `part ${number} of ${uploadId} is lost`,
      )
    await backend.abortMultipart({ bucket, key, uploadId })
    resumed++
  }
  return resumed
}

/** After a sweep there is nothing that no object needs. */
async function checkNothingLeft(folder: string, backend: LocalBackend): Promise<void> {
  await backend.sweep({ olderThanMs: -60_000 })
  const side = join(folder, bucket, '.score')
  assert.equal(await readdir(join(side, 'temporary')), [])
  assert.equal(await readdir(join(side, 'locks')), [])
  const needed = new Set<string>()
  for await (const { key } of backend.list({ bucket, key: '' })) {
    const header = await readRecordHeader(join(folder, bucket, `${key}%parts`))
    if (header) needed.add(header.uploadId)
  }
  assert.equal((await readdir(join(side, 'segments'))).sort(), [...needed].sort())
}

const started: DoomedChild[] = []

function begin(folder: string, seed: number): Churn[] {
  const churns = names.map((name) => start(folder, name, seed))
  started.push(...churns.map(({ child }) => child))
  return churns
}

suite<{ folder: string }>('storage/local kill -9', (test) => {
  test.before(async (context) => {
    context.folder = await mkdtemp(join(tmpdir(), 'score-kill-'))
  })
  test.after(async ({ folder }) => {
    await Promise.all(started.map(killHard))
    await rm(folder, { recursive: true })
  })

  test(`processes killed at ${2 * moments} moments leave whole objects, and all parts they had`, async ({ folder }) => {
    const backend = createLocalBackend({ folder, publicUrl: 'http://store', signingKey: Buffer.alloc(32), durable: false })
    const expected = new Map<string, Map<string, readonly string[]>>(names.map((name) => [name, new Map()]))
    let steps = 0
    let resumed = 0
    let next = begin(folder, 0)
    for (let moment = 0; moment < moments; moment++) {
      const churns = next
      await Promise.all(churns.map(whenReady))
      await writeFile(join(folder, `go-${moment}`), '')
      if (moment + 1 < moments) next = begin(folder, moment + 1)
      await Promise.all(churns.map((churn, index) => killAfter(churn, 4 + ((moment * 7919 + index * 31) % 41))))
      for (const churn of churns) {
        const told = toldBy(churn)
        steps += told.length
        const may = allowed(told, expected.get(churn.name) as Map<string, readonly string[]>)
        for (const [key, proofs] of may) {
          const proof = await proofOf(backend, key)
          if (key.startsWith('shared/')) continue
          assert.ok(proofs.includes(proof), `${key} holds ${proof}, not one of ${proofs.join()}`)
          may.set(key, [proof])
        }
        expected.set(churn.name, may)
        resumed += await checkParts(backend, told)
      }
      for await (const { key, size } of backend.list({ bucket, key: '' })) {
        await proofOf(backend, key)
        assert.is((await backend.head({ bucket, key }))?.size, size)
      }
    }
    assert.ok(steps > moments * 20, `only ${steps} steps were made`)
    assert.ok(resumed > 0, 'no kill came during an upload')
    await checkNothingLeft(folder, backend)
  })
})
