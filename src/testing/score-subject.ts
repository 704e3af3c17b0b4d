import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { ScoreApi } from '../api/score-api.ts'
import { formatHttpRange } from '../core/byte-range.ts'
import { md5Hex, unquoteEtag } from '../core/checksum.ts'
import type { ObjectSpec, PartReceipt, SignedPart } from '../core/object-spec.ts'

/** A Score service under test, with the catalogue beside it. */
export interface ScoreSubject {
  /** Of a caller who may do everything. */
  readonly api: ScoreApi
  /** Of a caller without a token. */
  readonly anonymous: ScoreApi
  /** Registers a file in an UNPUBLISHED analysis of its own. @returns the object's id. */
  register(file: { readonly size: number; readonly md5: string; readonly access: 'open' | 'controlled' }): Promise<string>
  /** Publishes the analysis of an object whose upload is finished. */
  publish(objectId: string): Promise<void>
  unpublish(objectId: string): Promise<void>
  /** Carries requests to pre-signed URLs; default `fetch`. */
  readonly send?: (url: string, init: RequestInit) => Promise<Response>
  /** Size of the parts that the service plans; default 1000. */
  readonly partBytes?: number
  close?(): Promise<void>
}

/** A subject, with the steps that cases are made of. */
export interface ScoreBench extends ScoreSubject {
  /** Two parts and a bit, never the same twice. */
  readonly body: Buffer
  readonly md5: string
  registered(access?: 'open' | 'controlled'): Promise<string>
  /** PUTs a part of the body through its URL. */
  sendPart(part: SignedPart, bytes?: Uint8Array): Promise<PartReceipt>
  /** Opens, sends and reports every part. */
  fill(objectId: string): Promise<ObjectSpec<SignedPart>>
  /** Fills and finishes. */
  stored(access?: 'open' | 'controlled'): Promise<string>
  /** Stores and publishes. */
  published(access?: 'open' | 'controlled'): Promise<string>
  /** GETs the parts through their URLs. */
  fetchParts(parts: readonly SignedPart[]): Promise<Buffer>
}

export function scoreBench(subject: ScoreSubject): ScoreBench {
  const { api, partBytes = 1000, send = (url, init) => fetch(url, init) } = subject
  const body = randomBytes(partBytes * 2 + 77)
  const md5 = md5Hex(body)

  async function sendPart(part: SignedPart, bytes: Uint8Array = body.subarray(part.range.start, part.range.end)): Promise<PartReceipt> {
    const answer = await send(part.url, { method: 'PUT', body: Uint8Array.from(bytes) })
    const text = await answer.text()
    assert.ok(answer.ok, `PUT of part ${part.number}: ${answer.status} ${text}`)
    return { number: part.number, md5: md5Hex(bytes), etag: unquoteEtag(answer.headers.get('etag') ?? '') }
  }
  async function fill(objectId: string): Promise<ObjectSpec<SignedPart>> {
    const spec = await api.openUpload({ objectId, size: body.length, md5 })
    for (const part of spec.parts) await api.finalizePart(spec, await sendPart(part))
    return spec
  }
  const registered = (access: 'open' | 'controlled' = 'controlled'): Promise<string> => subject.register({ size: body.length, md5, access })
  async function stored(access?: 'open' | 'controlled'): Promise<string> {
    const objectId = await registered(access)
    await api.finalizeUpload(await fill(objectId))
    return objectId
  }
  return {
    ...subject,
    body,
    md5,
    registered,
    sendPart,
    fill,
    stored,
    async published(access) {
      const objectId = await stored(access)
      await subject.publish(objectId)
      return objectId
    },
    async fetchParts(parts) {
      const pieces: Buffer[] = []
      for (const { url, range } of parts) {
        const answer = await send(url, { headers: { range: formatHttpRange(range) } })
        assert.equal(answer.status, 206)
        pieces.push(Buffer.from(await answer.arrayBuffer()))
      }
      return Buffer.concat(pieces)
    },
  }
}
