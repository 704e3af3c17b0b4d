import { type ByteRange, parseHttpRange, rangeLength } from '../../core/byte-range.ts'
import { unquoteEtag } from '../../core/checksum.ts'
import { isScoreError } from '../../core/errors.ts'
import type { ObjectStat } from '../storage-backend.ts'
import type { LocalBackend } from './backend.ts'
import { type GrantedRequest, headerOf } from './data-plane-request.ts'
import type { OpenObject } from './object-reader.ts'
import { type DataPlaneAnswer, objectHeaders, type S3Failure } from './s3-answer.ts'

function names(header: string, etag: string): boolean {
  return header.split(',').some((one) => one.trim() === '*' || unquoteEtag(one) === etag)
}

/** RFC 9110 13: `If-Match` before `If-None-Match`; dates are not compared. */
function precondition(request: GrantedRequest, stat: ObjectStat): DataPlaneAnswer | S3Failure | undefined {
  const match = headerOf(request, 'if-match')
  if (match !== undefined && !names(match, stat.etag)) {
    const message = 'At least one of the pre-conditions you specified did not hold'
    return { code: 'PreconditionFailed', message, details: { Condition: 'If-Match' } }
  }
  const noneMatch = headerOf(request, 'if-none-match')
  if (noneMatch !== undefined && names(noneMatch, stat.etag)) return { status: 304, headers: objectHeaders(stat) }
  return undefined
}

function wantedRange(request: GrantedRequest, stat: ObjectStat): ByteRange | undefined | S3Failure {
  const header = headerOf(request, 'range')
  const condition = headerOf(request, 'if-range')
  if (header === undefined || (condition !== undefined && unquoteEtag(condition) !== stat.etag)) return undefined
  try {
    return parseHttpRange(header, stat.size)
  } catch (error) {
    if (!isScoreError(error, 'invalid-range')) throw error
    return {
      code: 'InvalidRange',
      message: 'The requested range is not satisfiable',
      details: { RangeRequested: header, ActualObjectSize: String(stat.size) },
      headers: { 'content-range': `bytes */${stat.size}` },
    }
  }
}

/** Closes the object when the last piece is out, or the reader goes. */
async function* thenClose(object: OpenObject, range: ByteRange, request: GrantedRequest): AsyncGenerator<Uint8Array> {
  try {
    yield* object.stream(range, request.signal ? { signal: request.signal } : {})
  } finally {
    await object.close()
  }
}

function firstByte(header: string | undefined): number {
  return Number(/^bytes=(\d{1,15})-/.exec(header ?? '')?.[1] ?? 0)
}

/** Status and headers, and what of the object goes with them. */
function plan(
  request: GrantedRequest,
  stat: ObjectStat,
): DataPlaneAnswer | S3Failure | { readonly headers: Record<string, string>; readonly range: ByteRange; readonly isPart: boolean } {
  const conditional = precondition(request, stat)
  if (conditional) return conditional
  const wanted = wantedRange(request, stat)
  if (wanted && 'code' in wanted) return wanted
  const range = wanted ?? { start: 0, end: stat.size }
  const headers = { ...objectHeaders(stat), 'content-length': String(rangeLength(range)) }
  if (!wanted) return { headers, range, isPart: false }
  return { headers: { ...headers, 'content-range': `bytes ${range.start}-${range.end - 1}/${stat.size}` }, range, isPart: true }
}

/** GET and HEAD of an object or one range of it. */
export async function answerGet(backend: Pick<LocalBackend, 'open'>, request: GrantedRequest): Promise<DataPlaneAnswer | S3Failure> {
  const { bucket, key } = request.grant
  const start = firstByte(headerOf(request, 'range'))
  const object = await backend.open({ bucket, key }, { start, ...(request.signal ? { signal: request.signal } : {}) })
  if (!object) return { code: 'NoSuchKey', message: 'The specified key does not exist', details: { Key: key } }
  let isHandedOn = false
  try {
    const planned = plan(request, object.stat)
    if (!('range' in planned)) return planned
    const status = planned.isPart ? 206 : 200
    if (request.method === 'HEAD') return { status, headers: planned.headers }
    isHandedOn = true
    return { status, headers: planned.headers, body: thenClose(object, planned.range, request) }
  } finally {
    if (!isHandedOn) await object.close()
  }
}
