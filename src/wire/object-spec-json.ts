import type { ObjectInfo } from '../api/score-api.ts'
import { normalizeMd5 } from '../core/checksum.ts'
import { ScoreError } from '../core/errors.ts'
import type { ObjectSpec, Part, PartDialect, SignedPart, UploadProgress } from '../core/object-spec.ts'
import { type JsonObject, readArray, readInteger, readObject, readString } from './json-reader.ts'

/** `Part` of the original (score-server.md 1.5); `sourceMd5` is left out when unknown. */
export interface PartJson {
  readonly partNumber: number
  readonly partSize: number
  readonly offset: number
  readonly url: string | null
  readonly md5: string | null
  readonly sourceMd5?: string
  /** Ours: how the part is sent to its URL. Only for a client that asks with {@link blocksDialect}; absent: as to S3. */
  readonly dialect?: PartDialect
}

/** Value of the query `dialect`, by which a client says that it sends parts as their `dialect` says. The original has no such thing. */
export const blocksDialect = 'blocks'

/** What of a part is written besides what the original knows. */
export interface SpecJsonOptions {
  /** Whether the client asked for dialects. Default false. */
  readonly dialects?: boolean
}

/** `ObjectSpecification` of the original, in its key order. */
export interface ObjectSpecJson {
  readonly objectKey: string
  readonly objectId: string
  readonly uploadId: string
  readonly parts: readonly PartJson[]
  readonly objectSize: number
  readonly objectMd5: string | null
}

/** `UploadProgress` of the original. */
export interface UploadProgressJson {
  readonly objectId: string
  readonly uploadId: string
  readonly parts: readonly PartJson[]
}

/** One row of `GET /listing`. */
export interface ObjectInfoJson {
  readonly id: string
  /** Milliseconds since 1970. */
  readonly lastModified: number
  readonly size: number
}

/** One URL for a whole object, as `external=true` gives it. */
export interface ExternalUrl {
  readonly objectId: string
  readonly objectKey: string
  readonly url: string
  /** Bytes of the whole object; absent where the service does not tell (S3 says -1). */
  readonly size?: number
  /** Lower-case hex. */
  readonly md5?: string
}

type MaybeSigned = Part & Partial<Pick<SignedPart, 'url' | 'dialect'>>

function partToJson(part: MaybeSigned, held: boolean, { dialects = false }: SpecJsonOptions = {}): PartJson {
  const { number: partNumber, range, url = null, md5: sourceMd5, dialect } = part
  const [partSize, offset] = [range.end - range.start, range.start]
  const md5 = held ? (sourceMd5 ?? null) : null
  const json = sourceMd5 === undefined ? { partNumber, partSize, offset, url, md5 } : { partNumber, partSize, offset, url, md5, sourceMd5 }
  return dialects && dialect !== undefined ? { ...json, dialect } : json
}

/** Writes a spec as the original does: nulls are written, `md5` of a part is always null, `sourceMd5` only when known. */
export function objectSpecToJson(spec: ObjectSpec<MaybeSigned>, options: SpecJsonOptions = {}): ObjectSpecJson {
  return {
    objectKey: spec.objectKey,
    objectId: spec.objectId,
    uploadId: spec.uploadId,
    parts: spec.parts.map((part) => partToJson(part, false, options)),
    objectSize: spec.size,
    objectMd5: spec.md5 ?? null,
  }
}

/** The spec of an object that the client writes by itself: its one part has the MD5 of the whole as `md5`, and no `sourceMd5`. */
export function directSpecToJson(spec: ObjectSpec<SignedPart>): ObjectSpecJson {
  const json = objectSpecToJson({ ...spec, parts: spec.parts.map(({ md5: _, ...part }) => part) })
  return { ...json, parts: json.parts.map((part) => ({ ...part, md5: spec.md5 ?? null })) }
}

/**
 * Held parts carry the MD5 twice: the original's client looks at `md5`, its server only ever set `sourceMd5`, and so
 * never skipped a part (score-server.md 10.B6).
 */
export function uploadProgressToJson(progress: UploadProgress, options: SpecJsonOptions = {}): UploadProgressJson {
  return {
    objectId: progress.objectId,
    uploadId: progress.uploadId,
    parts: progress.parts.map((part) => partToJson(part, true, options)),
  }
}

/** A spec of one part of unknown size; `objectSize` echoes the length that was asked for (-1 = to the end). */
export function externalUrlToJson(
  external: Omit<ExternalUrl, 'url'> & { readonly url: string | null },
  askedLength: number,
): ObjectSpecJson {
  return {
    objectKey: external.objectKey,
    objectId: external.objectId,
    uploadId: external.objectId,
    parts: [{ partNumber: 1, partSize: -1, offset: 0, url: external.url, md5: null }],
    objectSize: askedLength,
    objectMd5: external.md5 ?? null,
  }
}

export function objectInfoToJson(info: ObjectInfo): ObjectInfoJson {
  return { id: info.objectId, lastModified: info.lastModified.getTime(), size: info.size }
}

/** MD5 in any spelling as lower-case hex; absent for null, `''`, `<missing>` and junk. */
function readMd5(object: JsonObject, field: string): string | undefined {
  const value = object[field]
  return typeof value === 'string' ? normalizeMd5(value) : undefined
}

/** @throws `invalid-format` for a dialect that this version does not speak: another way would store other bytes. */
function readDialect(json: JsonObject, what: string): PartDialect | undefined {
  const dialect = json['dialect']
  if (dialect === undefined || dialect === null || dialect === 'azure-block') return dialect ?? undefined
  throw new ScoreError(
    'invalid-format',
    `${what} has parts of the dialect '${String(dialect)}', which this version does not speak: update it`,
  )
}

function partFromJson(value: unknown, md5Field: 'sourceMd5' | 'either', what: string): MaybeSigned {
  const json = readObject(value, what)
  const start = readInteger(json, 'offset', what)
  const size = readInteger(json, 'partSize', what)
  if (start < 0 || size < 0)
    throw new ScoreError('invalid-format', `${what} can't be read: a part at offset ${start} with ${size} bytes is impossible`)
  const md5 = readMd5(json, 'sourceMd5') ?? (md5Field === 'either' ? readMd5(json, 'md5') : undefined)
  const url = json['url']
  const dialect = readDialect(json, what)
  return {
    number: readInteger(json, 'partNumber', what),
    range: { start, end: start + size },
    ...(md5 === undefined ? {} : { md5 }),
    ...(typeof url === 'string' && url !== '' ? { url } : {}),
    ...(dialect === undefined ? {} : { dialect }),
  }
}

function requireUrl(part: MaybeSigned, what: string): SignedPart {
  if (part.url !== undefined) return { ...part, url: part.url }
  throw new ScoreError('invalid-format', `${what} can't be read: part ${part.number} has no URL`)
}

/**
 * Reads a spec from any generation of the original (score-server.md 3.1): unknown fields are passed over, MD5s are
 * normalised, an empty or `<missing>` one is absent.
 *
 * @param what names the document in messages, such as `the answer of …` or `object … (data/….meta)`.
 * @throws `invalid-format` when `parts` is no array or a number is none.
 */
export function objectSpecFromJson(value: unknown, what: string): ObjectSpec<MaybeSigned> {
  const json = readObject(value, what)
  const objectId = readString(json, 'objectId', what)
  const md5 = readMd5(json, 'objectMd5')
  return {
    objectId,
    objectKey: typeof json['objectKey'] === 'string' ? json['objectKey'] : objectId,
    uploadId: typeof json['uploadId'] === 'string' ? json['uploadId'] : objectId,
    size: readInteger(json, 'objectSize', what),
    ...(md5 === undefined ? {} : { md5 }),
    parts: readArray(json, 'parts', what).map((part) => partFromJson(part, 'sourceMd5', what)),
  }
}

/** As {@link objectSpecFromJson}, for a spec that must carry a URL in every part. */
export function signedSpecFromJson(value: unknown, what: string): ObjectSpec<SignedPart> {
  const spec = objectSpecFromJson(value, what)
  return { ...spec, parts: spec.parts.map((part) => requireUrl(part, what)) }
}

/** Reads progress of either server: a part with `sourceMd5` or `md5` is held. @throws `invalid-format`. */
export function uploadProgressFromJson(value: unknown, what: string): UploadProgress {
  const json = readObject(value, what)
  return {
    objectId: readString(json, 'objectId', what),
    uploadId: readString(json, 'uploadId', what),
    parts: readArray(json, 'parts', what).map((part) => requireUrl(partFromJson(part, 'either', what), what)),
  }
}

/**
 * Reads the answer to `external=true`: one part, size -1 from an S3 service, the blob's size from an Azure one.
 *
 * @throws `invalid-format` unless there is exactly one part with a URL.
 */
export function externalUrlFromJson(value: unknown, what: string): ExternalUrl {
  const json = readObject(value, what)
  const parts = readArray(json, 'parts', what)
  const part = readObject(parts[0], what)
  if (parts.length !== 1) throw new ScoreError('invalid-format', `${what} can't be read: one part was expected, there are ${parts.length}`)
  const objectId = readString(json, 'objectId', what)
  const size = readInteger(part, 'partSize', what)
  const md5 = readMd5(json, 'objectMd5')
  return {
    objectId,
    objectKey: typeof json['objectKey'] === 'string' ? json['objectKey'] : objectId,
    url: readString(part, 'url', what),
    ...(size < 0 ? {} : { size }),
    ...(md5 === undefined ? {} : { md5 }),
  }
}

/** @throws `invalid-format`. */
export function objectInfoFromJson(value: unknown, what: string): ObjectInfo {
  const json = readObject(value, what)
  return {
    objectId: readString(json, 'id', what),
    size: readInteger(json, 'size', what),
    lastModified: new Date(readInteger(json, 'lastModified', what)),
  }
}
