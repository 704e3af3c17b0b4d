import { readFileSync } from 'node:fs'
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import * as assert from 'uvu/assert'
import { createScoreServer } from '../../../adapters/server/index.ts'
import { md5Hex } from '../../../src/core/checksum.ts'
import { planParts } from '../../../src/core/part-plan.ts'
import { objectSpecToJson } from '../../../src/wire/object-spec-json.ts'
import { type House, openHouse, tokens } from '../../objects/score-house.ts'
import { suite } from '../../support/suite.ts'

/** A request that the original's client, Song or curl sent to the original's server, and what came back. */
interface Recorded {
  readonly case: string
  readonly method: string
  readonly url: string
  readonly request: Readonly<Record<string, string>>
  readonly status: number
  readonly response: Readonly<Record<string, string>>
  readonly body?: unknown
}

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

const recordings = readFileSync(join(import.meta.dirname, '../../fixtures/wire/server-requests.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Recorded)

const big = 'd0522915-f5b6-584e-8409-c12fa928d089'
const open = '27612507-2070-5761-9dad-a0efeed5315a'
const controlled = '576f7386-e626-5d99-ae63-1b3ce9de308b'
const fresh = 'cccccccc-775b-5259-bbbd-555e07fbdf24'
const half = 'aaaaaaaa-775b-5259-bbbd-555e07fbdf24'
const gone = 'bbbbbbbb-775b-5259-bbbd-555e07fbdf24'
const song = '1ec0d855-a77d-5ce2-a938-f4a167528835'

/** A finished object of any size, without its bytes: only `.meta` is looked at. */
async function store(house: House, objectId: string, size: number): Promise<void> {
  const parts = planParts({ start: 0, end: size }).map((part) => ({ ...part, md5: md5Hex(String(part.number)) }))
  const spec = { objectId, objectKey: `data/${objectId}`, uploadId: 'finished', size, md5: '3cf66d100f2cfeb2a2d362182389fea6', parts }
  await house.store.put(house.layout.meta(objectId)[0], Buffer.from(JSON.stringify(objectSpecToJson(spec))))
}

/** @returns the upload id that stands for the recorded one. */
type Setup = (house: House) => Promise<string | undefined>

const begin =
  (objectId: string, size: number, held = 0): Setup =>
  async (house) => {
    const spec = await house.api.openUpload({ objectId, size })
    for (const part of spec.parts.slice(0, held)) {
      const body = Buffer.alloc(part.range.end - part.range.start)
      await house.api.finalizePart(spec, await house.send(part, body))
    }
    return spec.uploadId
  }
const nothing: Setup = async () => undefined
const stored =
  (objectId: string, size: number, state: 'PUBLISHED' | 'UNPUBLISHED'): Setup =>
  async (house) => {
    await store(house, objectId, size)
    house.catalogue.states.set('AN-1', state)
    return undefined
  }
const publishedBig = stored(big, 104_857_600, 'PUBLISHED')
const uploading = begin(fresh, 45_000_000)

interface Expectation {
  readonly setup: Setup
  /** Where ours differs on purpose. */
  readonly ours?: { readonly status: number; readonly why: string }
}

/** By the start of a recording's name; the first that fits. */
const expectations: readonly (readonly [string, Expectation])[] = [
  ['r-dl-beyond2', { setup: publishedBig, ours: { status: 400, why: 'past the end is the caller’s mistake (10.D1)' } }],
  ['r-dl-neg', { setup: publishedBig, ours: { status: 400, why: 'so is a negative offset (10.D1)' } }],
  ['r-dl-', { setup: publishedBig }],
  ['r-listing', { setup: publishedListing }],
  ['r-', { setup: nothing }],
  ['u-abort2', { setup: nothing }],
  ['u-abort', { setup: uploading }],
  ['u-cancel', { setup: nothing, ours: { status: 400, why: 'a cancel without id names no upload (10.B3)' } }],
  ['u-exists-obj', { setup: stored(open, 1000, 'UNPUBLISHED') }],
  ['u-exists', { setup: nothing }],
  ['u-fin-badid', { setup: nothing, ours: { status: 404, why: 'an unknown upload is not finished (10.B2)' } }],
  ['u-fin-missing', { setup: uploading }],
  ['u-init-again', { setup: uploading }],
  ['u-init', { setup: nothing, ours: { status: 400, why: 'md5=0123 is no MD5' } }],
  ['u-negative', { setup: nothing, ours: { status: 400, why: 'no object has a negative size (10.B10)' } }],
  ['u-noauth', { setup: nothing }],
  ['u-nosize', { setup: nothing }],
  ['u-options', { setup: nothing, ours: { status: 200, why: 'Allow names the methods that there are' } }],
  ['u-overwrite-bad', { setup: nothing }],
  ['u-overwrite-empty', { setup: nothing }],
  ['u-part-badid', { setup: uploading, ours: { status: 404, why: 'a repeat finds no upload either (10.B9)' } }],
  ['u-part-', { setup: uploading }],
  ['u-put', { setup: nothing }],
  ['u-recovery', { setup: uploading }],
  ['u-status-none', { setup: nothing }],
  ['u-status', { setup: uploading }],
  ['u-test', { setup: nothing }],
  ['u-zero', { setup: nothing, ours: { status: 400, why: 'an object has at least one byte (10.B10)' } }],
  ['dl-gone', { setup: stored(big, 1, 'PUBLISHED'), ours: { status: 404, why: 'registered but not stored is not found (10.D1)' } }],
  ['dl-unpublished', { setup: stored(open, 1000, 'UNPUBLISHED') }],
  ['dl-open-notoken', { setup: stored(open, 1000, 'PUBLISHED') }],
  ['dl-', { setup: stored(controlled, 1000, 'PUBLISHED') }],
  ['mount-start client GET /listing', { setup: publishedListing }],
  ['mount-', { setup: publishedBig }],
  ['song ', { setup: stored(song, 104_857_600, 'UNPUBLISHED') }],
  ['up-apikey client POST /upload/ID/parts', { setup: begin(controlled, 1000, 1) }],
  ['up-apikey client POST /upload/ID?uploadId', { setup: begin(controlled, 1000, 1) }],
  ['up-published', { setup: stored(open, 1000, 'PUBLISHED') }],
  ['up-resume client GET /upload/ID/status', { setup: begin(half, 629_145_600, 2) }],
  ['up-', { setup: nothing }],
]

async function publishedListing(house: House): Promise<undefined> {
  for (const id of [open, controlled]) house.store.putObject({ bucket: 'obj', key: `data/${id}` }, Buffer.alloc(10))
  return undefined
}

function send(base: string, recorded: Recorded, url: string, headers: Record<string, string>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = httpRequest(`${base}${url}`, { method: recorded.method, headers, agent: false }, (answer) => {
      const pieces: Buffer[] = []
      answer.on('data', (piece: Buffer) => pieces.push(piece))
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(pieces) }))
      answer.on('error', reject)
    })
    call.on('error', reject)
    call.end()
  })
}

function headersOf(recorded: Recorded): Record<string, string> {
  const { authorization, ...headers } = recorded.request
  const good = authorization !== undefined && !/ (bad|garbage)$/.test(authorization)
  const token = recorded.case.startsWith('up-otherstudy') ? tokens.other : good ? tokens.system : 'bad'
  return {
    ...headers,
    ...(authorization === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(recorded.response['content-encoding'] === 'gzip' ? { 'accept-encoding': 'gzip,deflate' } : {}),
  }
}

/** Names of the keys in order, and of the first row's where rows are alike. */
function shape(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? [] : [shape(value[0])]
  if (typeof value !== 'object' || value === null) return typeof value === 'boolean' || typeof value === 'string' ? typeof value : ''
  return Object.entries(value).map(([name, inner]) => (Array.isArray(inner) ? [name, shape(inner)] : name))
}

/** Numbers of a spec that do not depend on the store. */
function numbers(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('parts' in value)) return undefined
  const { parts, partCount, objectSize } = value as { parts: Record<string, number>[]; partCount?: number; objectSize?: number }
  return [objectSize, partCount ?? parts.length, parts.slice(0, 2).map((part) => [part['partNumber'], part['partSize'], part['offset']])]
}

function compareBodies(recorded: Recorded, text: string): void {
  if (recorded.body === undefined) {
    assert.is(text, '')
    return
  }
  if (typeof recorded.body === 'string') {
    if (recorded.body.startsWith('http')) assert.match(text, /^https:\/\/memory\.invalid\/obj\/data\/heliograph\?/)
    else assert.is(text, recorded.body)
    return
  }
  const ours = JSON.parse(text) as Record<string, unknown>
  if (recorded.status < 400) {
    const { partCount: _, ...body } =
      typeof recorded.body === 'object' && !Array.isArray(recorded.body) ? { partCount: 0, ...recorded.body } : {}
    const expected = Object.keys(body).length > 0 ? body : recorded.body
    const progress = recorded.url.includes('/status?')
    if (!progress) assert.equal(shape(ours), shape(expected))
    else assert.equal(Object.keys(ours), Object.keys(expected as object))
    assert.equal(numbers(ours), numbers(recorded.body))
    return
  }
  const { message, ...rest } = ours
  assert.ok(typeof message === 'string' && message.length > 10, `no message for people: ${message}`)
  const { timestamp, ...given } = rest
  const { timestamp: _, ...wanted } = recorded.body as Record<string, unknown>
  assert.match(String(timestamp), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$/)
  assert.equal(given, wanted)
}

const compared = ['content-type', 'content-encoding', 'allow'] as const

async function openWorld(): Promise<House> {
  const house = await openHouse({ partPlan: {} })
  for (const objectId of [big, fresh, half, gone, song, controlled])
    house.catalogue.rows.set(objectId, { objectId, analysisId: 'AN-1', study: 'ABC123', fileName: 'x.bin', access: 'controlled' })
  house.catalogue.rows.set(open, { objectId: open, analysisId: 'AN-1', study: 'TEST-CA', fileName: 'open.bin', access: 'open' })
  return house
}

function compare(recorded: Recorded, answer: Answer, ours: Expectation['ours']): void {
  const text = (answer.headers['content-encoding'] === 'gzip' ? gunzipSync(answer.body) : answer.body).toString()
  if (ours) {
    assert.is(answer.status, ours.status)
    if (answer.status >= 400) assert.ok(JSON.parse(text).message.length > 10)
    return
  }
  assert.is(answer.status, recorded.status, text)
  for (const name of compared) assert.is(answer.headers[name], recorded.response[name], name)
  assert.is(answer.headers['www-authenticate']?.split(',')[0], recorded.response['www-authenticate']?.split(',')[0])
  if (recorded.response['content-length'] === '0') assert.is(answer.headers['content-length'], '0')
  assert.is(answer.headers['set-cookie'], undefined)
  compareBodies(recorded, text)
}

async function replay(recorded: Recorded): Promise<void> {
  const expectation = expectations.find(([start]) => recorded.case.startsWith(start))?.[1]
  if (!expectation) throw new Error('nothing is expected of this recording')
  const house = await openWorld()
  const server = createScoreServer({ service: house.service }, { port: 0 })
  try {
    const { url } = await server.listen()
    const uploadId = await expectation.setup(house)
    const target = recorded.url
      .replace(/uploadId=(?!zzz)[^&]+/, `uploadId=${uploadId}`)
      .replace(/064890450d38fd927a444c45121e045d/g, md5Hex(Buffer.alloc(1000)))
    compare(recorded, await send(url, recorded, target, headersOf(recorded)), expectation.ours)
  } finally {
    await server.close({ deadlineSeconds: 1 })
  }
}

suite('recorded requests to the original’s server, sent to ours', (test) => {
  const names = new Set<string>()
  for (const recorded of recordings)
    test(recorded.case, async () => {
      names.add(recorded.case)
      await replay(recorded)
    })

  test('every deviation says why, and is met', () => {
    for (const [start, { ours }] of expectations) {
      assert.ok(
        [...names].some((name) => name.startsWith(start)),
        `${start} fits no recording`,
      )
      if (ours) assert.ok(ours.why.length > 10)
    }
  })
})
