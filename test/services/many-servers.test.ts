import { createHash, randomInt } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import type { ScoreApi } from '../../src/api/score-api.ts'
import { createScoreClient } from '../../src/client/score-client.ts'
import { isScoreError } from '../../src/core/errors.ts'
import { sweepStaleUploads } from '../../src/objects/stale-uploads.ts'
import { createObjectLayout, type ObjectLayout } from '../../src/storage/object-layout.ts'
import { createTransferEngine } from '../../src/transfer/transfer-engine.ts'
import { createPartTransport } from '../../src/transfer/transport/create-part-transport.ts'
import { randomOf } from '../support/random-of.ts'
import { suite } from '../support/suite.ts'
import { type Fleet, startFleet } from './support/fleet.ts'
import { s3Stores } from './support/s3-stores.ts'
import { howToGet, isThere } from './support/store-program.ts'

const study = 'TEST-CA'
const partBytes = 20 * 1024 ** 2
/** Another seed tries other moments: `SCORE_TEST_SEED=7 npm run test:services`. */
const seed = Number(process.env['SCORE_TEST_SEED'] ?? randomInt(1_000_000))

interface Made {
  readonly objectId: string
  readonly analysisId: string
  readonly path: string
  readonly name: string
  readonly md5: string
}

const week = 7 * 86_400_000
const layoutOf = ({ bucket }: Fleet): ObjectLayout => createObjectLayout({ objectBucket: bucket, stateBucket: bucket })

const md5Of = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex')

/** Bytes nobody can guess, the same for the same name. */
function fill(name: string, size: number): Buffer {
  const block = createHash('sha512').update(name).digest()
  const bytes = Buffer.alloc(size)
  for (let at = 0; at < size; at += block.length) block.copy(bytes, at)
  for (let at = 0; at < size; at += 65_536) bytes.writeUInt32LE(at, Math.min(at, Math.max(0, size - 4)))
  return bytes
}

async function register(fleet: Fleet, name: string, bytes: Uint8Array): Promise<Made> {
  const { catalogue } = fleet.song
  await catalogue.ensureStudy(study)
  const md5 = md5Of(bytes)
  const path = join(fleet.folder, name)
  writeFileSync(path, bytes)
  const file = { fileName: name, fileType: 'BAM', fileSize: bytes.length, fileMd5sum: md5, fileAccess: 'controlled', dataType: 'reads' }
  const payload = { studyId: study, analysisType: { name: 'fileSet' }, files: [file] }
  const { analysisId } = await catalogue.submit(study, payload, { allowDuplicates: true })
  const [registered] = await catalogue.files(study, analysisId)
  return { objectId: registered?.objectId ?? '', analysisId, path, name, md5 }
}

async function publish(fleet: Fleet, { objectId, analysisId, md5 }: Made, size: number): Promise<void> {
  fleet.song.stored.set(objectId, { exists: true, size, md5 })
  await fleet.song.catalogue.publish(study, analysisId)
}

const clientOf = (fleet: Fleet, url = fleet.url): ScoreApi =>
  createScoreClient({ url, token: fleet.token, retry: { attempts: 30, maximumDelayMs: 1000 } })

async function keysOf({ store, bucket }: Fleet, prefix: string): Promise<readonly string[]> {
  const keys: string[] = []
  for await (const { key } of store.backend.list({ bucket, key: prefix })) keys.push(key)
  return keys
}

async function bytesOf({ store, bucket }: Fleet, key: string): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of store.backend.get({ bucket, key })) pieces.push(Uint8Array.from(piece))
  return Buffer.concat(pieces)
}

suite('services/many-servers', (test) => {
  const { program } = s3Stores.minio
  const add: typeof test = Object.assign(
    (name: string, body: Parameters<typeof test>[1]) => (isThere(program) ? test(name, body) : test.skip(name, howToGet(program))),
    test,
  )
  let fleet: Fleet
  const transport = createPartTransport()
  test.before(async () => {
    if (isThere(program)) fleet = await startFleet(3)
  })
  test.after(async () => {
    await transport.close()
    await fleet?.close()
  })

  /** Uploads; where chance says so it is cut off after a while, and another client goes on. */
  async function uploadInPieces(file: Made, random: () => number): Promise<void> {
    const attempt = async (signal?: AbortSignal, onPart?: () => void): Promise<void> => {
      const engine = createTransferEngine({ api: clientOf(fleet), transport, retry: { attempts: 30, maximumDelayMs: 1000 } })
      try {
        const progress = onPart ? { progress: ({ type }: { readonly type: string }) => void (type === 'part' && onPart()) } : {}
        await engine.upload(
          { objectId: file.objectId, from: { path: file.path }, md5: file.md5 },
          { concurrency: 2, ...progress, ...(signal ? { signal } : {}) },
        )
      } finally {
        await engine.close()
      }
    }
    if (random() < 0.5) {
      const controller = new AbortController()
      const cut = attempt(controller.signal, () => controller.abort(new Error('cut off')))
      await cut.catch((error: unknown) => {
        if (!controller.signal.aborted) throw error
      })
      if (
        await cut.then(
          () => true,
          () => false,
        )
      )
        return
    }
    await attempt()
  }

  add('servers die and come back while clients upload, are cut off and go on: every object is whole, nothing is left', async () => {
    const random = randomOf(seed)
    const chaos = fleet.disturb(random)
    const done: { readonly file: Made; readonly size: number }[] = []
    let count = 0
    const work = async (): Promise<void> => {
      while (count < 9 || (chaos.kills < 6 && count < 300)) {
        const number = count++
        const size = number % 3 === 0 ? partBytes + 1 + Math.floor(random() * 1000) : 1 + Math.floor(random() * 200_000)
        const name = `chaos-${number}.bam`
        const file = await register(fleet, name, fill(`${seed}-${name}`, size))
        await uploadInPieces(file, random)
        done.push({ file, size })
      }
    }
    try {
      await Promise.all([work(), work(), work()])
      await chaos.calm()
      assert.ok(chaos.kills >= 6, `only ${chaos.kills} servers were killed`)
      const apis = fleet.urls.map((url) => clientOf(fleet, url))
      const engine = createTransferEngine({ api: clientOf(fleet), transport })
      for (const { file, size } of done) {
        for (const api of apis) assert.is(await api.objectExists(file.objectId), true, file.name)
        assert.is(md5Of(await bytesOf(fleet, `data/${file.objectId}`)), file.md5, file.name)
        await publish(fleet, file, size)
        const target = join(fleet.folder, `back-${file.name}`)
        assert.is((await engine.download({ objectId: file.objectId, path: target })).verified, 'whole')
        assert.is(md5Of(readFileSync(target)), file.md5)
      }
      await engine.close()
      // A server that is killed behind its answer leaves state of a finished upload, which the clean-up removes.
      const left = await keysOf(fleet, 'upload/')
      assert.equal(
        left.filter((key) => key.endsWith('/.meta')),
        [],
      )
      await sweepStaleUploads({ backend: fleet.store.backend, layout: layoutOf(fleet), now: () => Date.now() + week })
      assert.equal(await keysOf(fleet, 'upload/'), [])
      for (const { file } of done) assert.is(md5Of(await bytesOf(fleet, `data/${file.objectId}`)), file.md5, file.name)
    } catch (error) {
      throw new Error(`SCORE_TEST_SEED=${seed}: ${error instanceof Error ? error.stack : String(error)}`, { cause: error })
    }
  })

  /** One upload by hand, step by step. */
  function writer(api: ScoreApi, file: Made, bytes: Buffer): readonly (() => Promise<void>)[] {
    let spec: Awaited<ReturnType<ScoreApi['openUpload']>> | undefined
    const opened = () => {
      if (spec === undefined) throw new Error('it was not opened')
      return spec
    }
    const sends = [0, 1].map((index) => async (): Promise<void> => {
      const part = opened().parts[index]
      if (part === undefined) return
      const piece = bytes.subarray(part.range.start, part.range.end)
      const answer = await fetch(part.url, { method: 'PUT', body: Uint8Array.from(piece) })
      await answer.arrayBuffer()
      // What the store says to a part of an upload that was ended; the service is asked all the same.
      const etag = answer.headers.get('etag')?.replaceAll('"', '') ?? md5Of(piece)
      await api.finalizePart(opened(), { number: part.number, md5: md5Of(piece), etag })
    })
    return [
      async () => {
        spec = await api.openUpload({ objectId: file.objectId, size: bytes.length })
      },
      ...sends,
      () => api.finalizeUpload(opened()),
    ]
  }

  add('two clients that upload one object at once, through different servers: one wins, the other is told, nothing is mixed', async () => {
    const random = randomOf(seed + 1)
    for (let round = 0; round < 14; round++) {
      const size = round % 7 === 0 ? partBytes + 1000 : 5000
      const bodies = ['a', 'b'].map((who) => fill(`${seed}-${round}-${who}`, size))
      const file = await register(fleet, `raced-${round}.bam`, bodies[0] as Buffer)
      const apis = [round, round + 1].map((index) => clientOf(fleet, fleet.urls[index % fleet.urls.length]))
      const left = bodies.map((body, index) => [...writer(apis[index] as ScoreApi, file, body)])
      const outcomes: (string | undefined)[] = [undefined, undefined]
      const step = async (index: number): Promise<void> => {
        const next = left[index]?.shift()
        await next?.().catch((error: unknown) => {
          if (!isScoreError(error)) throw error
          outcomes[index] = error.code
          left[index]?.splice(0)
        })
      }
      while (left.some((steps) => steps.length > 0)) {
        const both = left.every((steps) => steps.length > 0)
        if (both && random() < 0.4) await Promise.all([step(0), step(1)])
        else await step(both ? Math.floor(random() * 2) : left.findIndex((steps) => steps.length > 0))
      }
      const context = `SCORE_TEST_SEED=${seed}, round ${round}: ${JSON.stringify(outcomes)}`
      assert.is(outcomes.filter((code) => code === undefined).length, 1, context)
      const loser = outcomes.find((code) => code !== undefined)
      assert.ok(['object-exists', 'upload-not-found', 'part-mismatch'].includes(loser ?? ''), context)
      const won = bodies[outcomes.indexOf(undefined)] as Buffer
      assert.ok((await bytesOf(fleet, `data/${file.objectId}`)).equals(won), context)
      const spec = await (apis[0] as ScoreApi).describeObject(file.objectId)
      assert.equal(
        spec.parts.map(({ md5 }) => md5),
        spec.parts.map(({ range }) => md5Of(won.subarray(range.start, range.end))),
        context,
      )
    }
  })
})
