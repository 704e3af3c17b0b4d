import type { ScoreApi } from '../../src/api/score-api.ts'
import type { TokenVerifier } from '../../src/auth/authorizer.ts'
import { createStaticTokenVerifier } from '../../src/auth/static-token-verifier.ts'
import { createStudyAuthorizer } from '../../src/auth/study-authorizer.ts'
import { md5Hex } from '../../src/core/checksum.ts'
import { ScoreError } from '../../src/core/errors.ts'
import type { ObjectSpec, PartReceipt, SignedPart } from '../../src/core/object-spec.ts'
import type { PartPlanOptions } from '../../src/core/part-plan.ts'
import type { AnalysisState, Entity, FileRecord, MetadataService } from '../../src/metadata/metadata-service.ts'
import { createScoreService, type ScoreService } from '../../src/objects/score-service.ts'
import { createMemoryBackend, type MemoryBackend } from '../../src/storage/memory/backend.ts'
import { createObjectLayout, type ObjectLayout, type ObjectLayoutOptions } from '../../src/storage/object-layout.ts'
import type { StorageBackend } from '../../src/storage/storage-backend.ts'

export const ids = {
  a: '5be58fbb-775b-5259-bbbd-555e07fbdf24',
  b: '632c29af-c46e-581b-ab43-65e875d86361',
  open: 'd4594aa2-4b32-5283-861c-bd5dd7ee6463',
  other: '27612507-2070-5761-9dad-a0efeed5315a',
  odd: '00000000-2070-5761-9dad-a0efeed5315a',
  unknown: 'ffffffff-ffff-4fff-8fff-ffffffffffff',
} as const

export const tokens = {
  system: 'system-token-0123456789',
  study: 'study-token-0123456789',
  reader: 'reader-token-0123456789',
  writer: 'writer-token-0123456789',
  other: 'other-token-0123456789',
} as const

/** A catalogue of five files in two studies, whose state, records and answers a test may change. */
export interface TestCatalogue extends MetadataService {
  readonly states: Map<string, AnalysisState>
  readonly files: Map<string, FileRecord>
  readonly rows: Map<string, Entity>
  /** Names of the calls so far. */
  readonly calls: string[]
}

export function createTestCatalogue(): TestCatalogue {
  const entity = (objectId: string, analysisId: string, study: string, access: string): Entity => ({
    objectId,
    analysisId,
    study,
    access,
    fileName: `${objectId.slice(0, 4)}.bam`,
  })
  const rows = new Map<string, Entity>()
  for (const row of [
    entity(ids.a, 'AN-1', 'ABC123', 'controlled'),
    entity(ids.b, 'AN-1', 'ABC123', ''),
    entity(ids.open, 'AN-1', 'ABC123', 'OPEN'),
    entity(ids.other, 'AN-2', 'TEST-CA', 'controlled'),
    entity(ids.odd, 'AN-2', 'TEST-CA', 'secret'),
  ])
    rows.set(row.objectId, row)
  const states = new Map<string, AnalysisState>([
    ['AN-1', 'UNPUBLISHED'],
    ['AN-2', 'UNPUBLISHED'],
  ])
  const files = new Map<string, FileRecord>()
  const calls: string[] = []
  return {
    states,
    files,
    rows,
    calls,
    async entity(objectId) {
      calls.push(`entity ${objectId}`)
      const row = rows.get(objectId)
      if (row) return row
      throw new ScoreError('entity-not-found', `object ${objectId} is not registered`)
    },
    async *entities() {
      calls.push('entities')
      for (const id of [...rows.keys()].sort()) yield rows.get(id) as Entity
    },
    async analysisState({ analysisId }) {
      calls.push(`analysis ${analysisId}`)
      const state = states.get(analysisId)
      if (state) return state
      throw new ScoreError('analysis-not-found', `analysis ${analysisId} is unknown`)
    },
    async file({ objectId }) {
      calls.push(`file ${objectId}`)
      return files.get(objectId)
    },
  }
}

/** Five tokens: of the system, of study ABC123 (both rights, one, the other), of study TEST-CA. */
export function createTestVerifier(): TokenVerifier {
  const scopes: Readonly<Record<string, readonly string[]>> = {
    [tokens.system]: ['score.READ', 'score.WRITE', 'song.WRITE'],
    [tokens.study]: ['PROGRAMDATA-ABC123.READ', 'programdata-abc123.write'],
    [tokens.reader]: ['PROGRAMDATA-ABC123.READ'],
    [tokens.writer]: ['PROGRAMDATA-ABC123.WRITE'],
    [tokens.other]: ['PROGRAMDATA-TEST-CA.READ', 'PROGRAMDATA-TEST-CA.WRITE'],
  }
  const verifiers = Object.entries(scopes).map(([token, list]) => createStaticTokenVerifier({ token, scopes: list, subject: token }))
  return {
    async verify(token) {
      for (const verifier of verifiers) {
        const identity = await verifier.verify(token).catch(() => undefined)
        if (identity) return identity
      }
      throw new ScoreError('unauthenticated', 'the token is not good')
    },
  }
}

/** Every call to the store by name, and what to do instead of it. */
export interface StoreTap {
  readonly calls: string[]
  /** Throws to make a call (counted from 1) fail before it does anything. */
  before: ((call: string, key: string, index: number) => void | Promise<void>) | undefined
  /** Throws to lose the answer of a call that was carried out. */
  after: ((call: string, key: string, index: number) => void | Promise<void>) | undefined
}

function keyOf(argument: unknown): string {
  return typeof argument === 'object' && argument !== null && 'key' in argument ? String(argument.key) : ''
}

export function tapStore<Backend extends StorageBackend>(inner: Backend): Backend & { readonly tap: StoreTap } {
  const tap: StoreTap = { calls: [], before: undefined, after: undefined }
  const wrapped = { ...inner, tap } as unknown as Record<string, unknown>
  for (const name of ['head', 'put', 'delete', 'createMultipart', 'completeMultipart', 'abortMultipart'] as const)
    wrapped[name] = async (...args: unknown[]) => {
      const index = tap.calls.push(`${name} ${keyOf(args[0])}`)
      await tap.before?.(name, keyOf(args[0]), index)
      const result = await (inner[name] as (...rest: unknown[]) => Promise<unknown>)(...args)
      await tap.after?.(name, keyOf(args[0]), index)
      return result
    }
  for (const name of ['get', 'list', 'listFolders', 'listParts'] as const)
    wrapped[name] = async function* (...args: unknown[]) {
      const index = tap.calls.push(`${name} ${keyOf(args[0])}`)
      await tap.before?.(name, keyOf(args[0]), index)
      yield* (inner[name] as (...rest: unknown[]) => AsyncIterable<unknown>)(...args)
      await tap.after?.(name, keyOf(args[0]), index)
    }
  return wrapped as unknown as Backend & { readonly tap: StoreTap }
}

export interface House {
  readonly store: MemoryBackend & { readonly tap: StoreTap }
  readonly layout: ObjectLayout
  readonly catalogue: TestCatalogue
  readonly service: ScoreService
  readonly api: ScoreApi
  /** Moves the clock. */
  advance(ms: number): void
  now(): number
  /** PUTs one part and gives its receipt. */
  send(part: SignedPart, body: Uint8Array): Promise<PartReceipt>
  /** Opens, sends and reports all parts; finishes unless told otherwise. */
  upload(
    objectId: string,
    body: Uint8Array,
    options?: { readonly finish?: boolean; readonly overwrite?: boolean },
  ): Promise<ObjectSpec<SignedPart>>
  /** Another server on the same store and catalogue. */
  another(): ScoreService
  text(bucket: string, key: string): Promise<string | undefined>
  keys(bucket: string): Promise<string[]>
}

export const partPlan: PartPlanOptions = { floorBytes: 10, partSizeBytes: 10 }

/** A service on a store in memory, with parts of ten bytes. */
export async function openHouse(
  options: { readonly layout?: Partial<ObjectLayoutOptions>; readonly partPlan?: PartPlanOptions } = {},
): Promise<House> {
  let time = Date.UTC(2026, 10, 24)
  const store = tapStore(createMemoryBackend({ now: () => time }))
  const layout = createObjectLayout({ objectBucket: 'obj', stateBucket: 'state', ...options.layout })
  const catalogue = createTestCatalogue()
  const authorizer = createStudyAuthorizer({ verifier: createTestVerifier(), metadata: catalogue })
  const plan = options.partPlan ?? partPlan
  const another = (): ScoreService =>
    createScoreService({ backend: store, layout, metadata: catalogue, authorizer, partPlan: plan, now: () => time })
  await store.put(layout.sentinel, new Uint8Array(0))
  const service = another()
  const api = service.as(tokens.system)
  const send = async (part: SignedPart, body: Uint8Array): Promise<PartReceipt> => {
    const answer = await store.send(part.url, { method: 'PUT', body: Uint8Array.from(body) })
    const etag = (answer.headers.get('etag') ?? '').replaceAll('"', '')
    if (answer.status !== 200) throw new Error(`PUT answered ${answer.status}`)
    return { number: part.number, md5: md5Hex(body), etag }
  }
  return {
    store,
    layout,
    catalogue,
    service,
    api,
    another,
    send,
    now: () => time,
    advance: (ms) => {
      time += ms
    },
    async upload(objectId, body, { finish = true, overwrite = false } = {}) {
      const spec = await api.openUpload({ objectId, size: body.length, md5: md5Hex(body), overwrite })
      for (const part of spec.parts) await api.finalizePart(spec, await send(part, body.subarray(part.range.start, part.range.end)))
      if (finish) {
        await api.finalizeUpload(spec)
        await service.settle()
      }
      return spec
    },
    async text(bucket, key) {
      const pieces: Uint8Array[] = []
      if (!(await store.head({ bucket, key }))) return undefined
      for await (const piece of store.get({ bucket, key })) pieces.push(piece)
      return Buffer.concat(pieces).toString()
    },
    async keys(bucket) {
      const keys: string[] = []
      for await (const row of store.list({ bucket, key: '' })) keys.push(row.key)
      return keys
    },
  }
}

/** @returns the code and message of the failure; throws when there is none. */
export async function failure(work: Promise<unknown>): Promise<{ readonly code: string; readonly message: string }> {
  try {
    await work
  } catch (error) {
    if (error instanceof ScoreError) return { code: error.code, message: error.message }
    throw error
  }
  throw new Error('it should have failed')
}

export async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}

export const bytes = (length: number, seed = 1): Buffer => Buffer.from(Array.from({ length }, (_, index) => (index * 7 + seed) % 251))
