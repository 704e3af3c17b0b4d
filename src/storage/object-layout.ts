import { ScoreError } from '../core/errors.ts'
import { isObjectId } from '../core/object-id.ts'
import type { UploadRef } from '../core/object-spec.ts'
import type { ObjectAddress } from './storage-backend.ts'

export interface ObjectLayoutOptions {
  /** Holds the objects; the base name when there is a pool. */
  readonly objectBucket: string
  /** Holds `.meta` files and upload state; may be the same bucket. */
  readonly stateBucket: string
  /** Folder of objects; `''` = the bucket's root. Default `data`. */
  readonly dataDirectory?: string
  /** Folder of uploads in progress. Default `upload`. */
  readonly uploadDirectory?: string
  /** Name of the object that is always there. Default `heliograph`. */
  readonly sentinel?: string
  /** Buckets of the pool, named `<base>.0` to `<base>.<n-1>`; 0 = no pool. Default 0. */
  readonly poolSize?: number
  /** Hex digits of the object id that choose the bucket, 1 to 7. Default 2. */
  readonly poolKeyLength?: number
}

/** In order of look-up; never empty. */
export type Candidates = readonly [ObjectAddress, ...ObjectAddress[]]

/**
 * Where objects and their state live in a store (score-server.md 3): the only place that builds or reads keys. Pure.
 * The n-th candidate of {@link ObjectLayout.data} belongs to the n-th of {@link ObjectLayout.meta}.
 */
export interface ObjectLayout {
  /** The bytes: where new objects go, then the bucket outside the pool, where moved and older objects may be. */
  data(objectId: string): Candidates
  /** The spec of a finished object. */
  meta(objectId: string): Candidates
  /** A file in the folder of an upload; without a name the folder itself, as a prefix. */
  upload(upload: UploadRef, file?: string): ObjectAddress
  /** Prefix that the folders of all uploads of one object share. */
  uploadsOf(objectId: string): ObjectAddress
  /** Prefix of all uploads, one for each bucket that holds state. */
  uploadRoots(): readonly ObjectAddress[]
  /** Prefix of the claims to clean up, which no upload can have. */
  readonly sweepClaims: ObjectAddress
  /** Prefix of all objects, one for each bucket: those of the pool first. */
  dataRoots(): readonly ObjectAddress[]
  /** The object that is always there. */
  readonly sentinel: ObjectAddress
  /** The object whose bytes have this key; `undefined` for a `.meta` file, the sentinel, and what is not ours. */
  objectIdOf(key: string): string | undefined
  /** The upload that a folder's prefix or a key in it belongs to. */
  uploadOf(key: string): UploadRef | undefined
}

const uploadIdSyntax = /^[^/\p{Cc}]{1,900}$/u

/** Upload ids become part of a key, so one that could leave its folder is none of ours. */
export function isUploadId(text: string): boolean {
  return uploadIdSyntax.test(text)
}

function poolIndex(objectId: string, size: number, keyLength: number): number {
  const name = objectId.slice(objectId.lastIndexOf('/') + 1)
  const digits = name.slice(0, keyLength)
  if (digits.length < keyLength || !/^[0-9a-f]+$/i.test(digits))
    throw new ScoreError('invalid-request', `'${objectId}' has no place in the pool of buckets: it must begin with ${keyLength} hex digits`)
  return Number.parseInt(digits, 16) % size
}

function requirePool(size: number, keyLength: number): void {
  if (!Number.isInteger(size) || size < 0)
    throw new ScoreError('invalid-configuration', `bucket.size.pool is ${size}; it must be a whole number from 0`)
  if (size > 0 && (!Number.isInteger(keyLength) || keyLength < 1 || keyLength > 7))
    throw new ScoreError('invalid-configuration', `bucket.size.key is ${keyLength}; with a pool it must be a whole number from 1 to 7`)
}

/** @throws `invalid-configuration` for an impossible pool. */
export function createObjectLayout(options: ObjectLayoutOptions): ObjectLayout {
  const { objectBucket, stateBucket, dataDirectory = 'data', uploadDirectory = 'upload', poolSize = 0, poolKeyLength = 2 } = options
  requirePool(poolSize, poolKeyLength)
  const dataPrefix = dataDirectory.trim() === '' ? '' : `${dataDirectory}/`
  const uploadPrefix = `${uploadDirectory}/`

  const bucketsFor = (base: string, objectId: string): readonly [string, ...string[]] =>
    poolSize === 0 ? [base] : [`${base}.${poolIndex(objectId, poolSize, poolKeyLength)}`, base]
  const allBuckets = (base: string): readonly string[] =>
    poolSize === 0 ? [base] : [...Array.from({ length: poolSize }, (_, index) => `${base}.${index}`), base]
  const candidates = (base: string, objectId: string, key: string): Candidates => {
    const [first, ...rest] = bucketsFor(base, objectId)
    return [{ bucket: first, key }, ...rest.map((bucket) => ({ bucket, key }))]
  }
  const stateAddress = (objectId: string, key: string): ObjectAddress => ({ bucket: bucketsFor(stateBucket, objectId)[0], key })

  return {
    data: (objectId) => candidates(objectBucket, objectId, `${dataPrefix}${objectId}`),
    meta: (objectId) => candidates(stateBucket, objectId, `${dataPrefix}${objectId}.meta`),
    upload: ({ objectId, uploadId }, file = '') => stateAddress(objectId, `${uploadPrefix}${objectId}_${uploadId}/${file}`),
    uploadsOf: (objectId) => stateAddress(objectId, `${uploadPrefix}${objectId}_`),
    uploadRoots: () => allBuckets(stateBucket).map((bucket) => ({ bucket, key: uploadPrefix })),
    sweepClaims: { bucket: stateBucket, key: `${uploadPrefix}.sweep/` },
    dataRoots: () => allBuckets(objectBucket).map((bucket) => ({ bucket, key: dataPrefix })),
    sentinel: { bucket: objectBucket, key: `${dataPrefix}${options.sentinel ?? 'heliograph'}` },
    objectIdOf: (key) => {
      const name = key.startsWith(dataPrefix) ? key.slice(dataPrefix.length) : ''
      return isObjectId(name) ? name : undefined
    },
    uploadOf: (key) => {
      const folder = key.startsWith(uploadPrefix) ? key.slice(uploadPrefix.length).split('/', 1)[0] : undefined
      const match = /^([0-9a-f-]{36})_(.+)$/i.exec(folder ?? '')
      return match && isObjectId(match[1] as string) ? { objectId: match[1] as string, uploadId: match[2] as string } : undefined
    },
  }
}
