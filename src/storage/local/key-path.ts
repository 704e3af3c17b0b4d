import { join, sep } from 'node:path'
import { ScoreError } from '../../core/errors.ts'
import type { ObjectAddress } from '../storage-backend.ts'

/** Ends the name of the record of a multipart object. `%p` is no percent-encoding, so no key can end so. */
export const recordSuffix = '%parts'
const emptyName = '%empty'
const emptyFolderName = '%folder'
const maximumNameBytes = 255
const maximumKeyBytes = 1024

/** The one folder inside a bucket that holds no objects. Encoded keys never begin with a dot. */
export const sideFolder = '.score'

/** Where the things of one bucket live. */
export interface BucketFolders {
  readonly root: string
  /** Files in the making, and trees in removal; what is old there is left over. */
  readonly temporary: string
  /** One folder per upload in progress. */
  readonly uploads: string
  /** One folder per multipart object: the parts of its upload. */
  readonly segments: string
  readonly locks: string
}

/** @throws `invalid-configuration` for a name that is no bucket's: 3 to 63 of `A-Z a-z 0-9 . _ -`, beginning with a letter or digit. */
export function bucketFolders(folder: string, bucket: string): BucketFolders {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{2,62}$/.test(bucket)) {
    throw new ScoreError(
      'invalid-configuration',
      `'${bucket}' is not a bucket name: 3 to 63 letters, digits, dots, dashes or underscores are, beginning with a letter or digit`,
    )
  }
  const root = join(folder, bucket)
  // Put together as text, here and in `keyPath`: these names need no normalising, and every request comes by here.
  const side = `${root}${sep}${sideFolder}${sep}`
  return {
    root,
    temporary: `${side}temporary`,
    uploads: `${side}uploads`,
    segments: `${side}segments`,
    locks: `${side}locks`,
  }
}

function percent(text: string): string {
  return [...Buffer.from(text, 'utf8')].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('')
}

/** One segment of a key as a file name that every file system accepts. `folder`: there is more of the key behind it. */
export function encodeSegment(segment: string, kind: 'object' | 'folder' = 'object'): string {
  if (segment === '') return kind === 'object' ? emptyName : emptyFolderName
  return segment.replace(/[^A-Za-z0-9._-]+|^\./gu, percent)
}

/** The segment that a file name stands for; `undefined` for a name that {@link encodeSegment} never gives. */
export function decodeSegment(name: string, kind: 'object' | 'folder' = 'object'): string | undefined {
  if (/^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(name)) return name
  const bytes = name.replace(/%([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  const segment = name === encodeSegment('', kind) ? '' : Buffer.from(bytes, 'latin1').toString('utf8')
  return encodeSegment(segment, kind) === name ? segment : undefined
}

function encodeChecked(segment: string, kind: 'object' | 'folder', key: string): string {
  const name = encodeSegment(segment, kind)
  if (name.length + recordSuffix.length <= maximumNameBytes) return name
  throw new ScoreError(
    'invalid-request',
    `the key '${key}' has a name between slashes that takes ${name.length} bytes on disk; the most is ${maximumNameBytes - recordSuffix.length}`,
  )
}

/**
 * Path of a key inside its bucket's folder.
 *
 * @throws `invalid-request` for a key that is empty, longer than 1024 bytes (the limit of S3), not well-formed Unicode,
 *   or with a segment that no file name can hold.
 */
export function keyPath(folders: BucketFolders, key: string): string {
  if (key === '') throw new ScoreError('invalid-request', 'an object needs a key; this one is empty')
  if (/\p{Surrogate}/u.test(key)) throw new ScoreError('invalid-request', 'a key must be well-formed Unicode text')
  if (Buffer.byteLength(key) > maximumKeyBytes)
    throw new ScoreError('invalid-request', `the key '${key.slice(0, 64)}…' is longer than ${maximumKeyBytes} bytes`)
  const segments = key.split('/')
  const last = segments.length - 1
  const names = segments.map((segment, index) => encodeChecked(segment, index === last ? 'object' : 'folder', key))
  return `${folders.root}${sep}${names.join(sep)}`
}

/** `bucket/key`, for messages. */
export function addressText(address: ObjectAddress): string {
  return `${address.bucket}/${address.key}`
}
