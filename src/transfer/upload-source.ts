import { createHash } from 'node:crypto'
import { type BigIntStats, constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import type { ByteSource } from '../bytes/byte-source.ts'
import type { ByteRange } from '../core/byte-range.ts'
import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import { errnoOf, toFileError } from '../files/file-error.ts'
import type { PartTransport, SendPart, TrailingHash } from './part-transport.ts'
import type { UploadTask } from './transfer-task.ts'

/** The bytes to upload, wherever they are. */
export interface UploadSource {
  readonly name: string
  /** Bytes; at least 1. */
  readonly size: number
  readonly from: SendPart['from']
  /** Changes when the file does; empty where nothing tells. */
  readonly stamp: string
  hashRange(range: ByteRange, options: CallOptions): Promise<string>
  /** MD5 of the whole, following the parts. */
  follow(partEnds: readonly number[]): TrailingHash
  /** @throws `size-changed`, `object-changed` when the file is no longer what it was at the start. */
  requireUnchanged(): Promise<void>
  /** Lets go of the file. A source stays the caller's. */
  release(): Promise<void>
}

function emptyFile(name: string): ScoreError {
  return new ScoreError('invalid-request', `File '${name}' is empty. Uploads of empty files are not permitted. Aborting...`)
}

async function statFile(path: string): Promise<BigIntStats> {
  try {
    const found = await stat(path, { bigint: true })
    if (!found.isFile()) {
      const kind = found.isDirectory() ? 'a folder' : 'no regular file'
      throw new ScoreError('invalid-request', `'${path}' is ${kind}: name the file to upload`)
    }
    await access(path, constants.R_OK)
    return found
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') {
      throw new ScoreError('invalid-request', `File '${path}' does not exist: check the name`, { cause: error })
    }
    throw toFileError(error, 'read', path)
  }
}

function stampOf({ size, mtimeNs, ino }: BigIntStats): string {
  return `${size}-${mtimeNs}-${ino}`
}

async function openFile(path: string, transport: PartTransport): Promise<UploadSource> {
  const first = await statFile(path)
  const size = Number(first.size)
  if (size === 0) throw emptyFile(path)
  return {
    name: path,
    size,
    from: { path },
    stamp: stampOf(first),
    hashRange: (range, options) => transport.hashRange({ path, range }, options),
    follow: (partEnds) => transport.trailingHash({ path, partEnds }),
    async requireUnchanged() {
      const found = await statFile(path)
      if (found.size !== first.size) {
        throw new ScoreError(
          'size-changed',
          `'${path}' had ${first.size} bytes when its upload began and has ${found.size} now: wait until it is complete, then upload again`,
        )
      }
      if (stampOf(found) !== stampOf(first)) {
        throw new ScoreError(
          'object-changed',
          `'${path}' was changed while it was uploaded: upload it again once it is no longer written to`,
        )
      }
    },
    release: () => transport.release(path),
  }
}

async function hashInto(
  hash: { update(data: Uint8Array): unknown },
  source: ByteSource,
  range: ByteRange,
  options: CallOptions,
): Promise<void> {
  let left = range.end - range.start
  for await (const piece of source.stream(range, options)) {
    hash.update(piece)
    left -= piece.length
  }
  if (left !== 0)
    throw new ScoreError(
      'size-changed',
      `a source gave ${range.end - range.start - left} bytes where ${range.end - range.start} were asked for`,
    )
}

/** The trailing hash of a source: reads each part once more, in order, when it has been sent. */
function followSource(source: ByteSource, partEnds: readonly number[]): TrailingHash {
  const hash = createHash('md5')
  const there = new Set<number>()
  const stop = new AbortController()
  let wake: () => void = () => undefined
  let hashedBytes = 0
  const run = async (): Promise<string> => {
    for (let index = 0; index < partEnds.length; index++) {
      while (!there.has(index)) {
        stop.signal.throwIfAborted()
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      const end = partEnds[index] as number
      await hashInto(hash, source, { start: hashedBytes, end }, { signal: stop.signal })
      hashedBytes = end
    }
    return hash.digest('hex')
  }
  return {
    done(index) {
      there.add(index)
      wake()
    },
    digest: run(),
    get hashedBytes() {
      return hashedBytes
    },
    cancel() {
      stop.abort()
      wake()
    },
  }
}

async function openBytes(source: ByteSource, name: string, options: CallOptions): Promise<UploadSource> {
  const size = await source.size(options)
  if (size === 0) throw emptyFile(name)
  return {
    name,
    size,
    from: { source },
    stamp: '',
    async hashRange(range, callOptions) {
      const hash = createHash('md5')
      await hashInto(hash, source, range, callOptions)
      return hash.digest('hex')
    },
    follow: (partEnds) => followSource(source, partEnds),
    async requireUnchanged() {
      const now = await source.size(options)
      if (now !== size) throw new ScoreError('size-changed', `'${name}' had ${size} bytes when its upload began and has ${now} now`)
    },
    async release() {},
  }
}

/** @throws `invalid-request` for what is missing, no regular file or empty; `local-storage` for what cannot be read. */
export function openUploadSource(task: UploadTask, transport: PartTransport, options: CallOptions): Promise<UploadSource> {
  return 'path' in task.from ? openFile(task.from.path, transport) : openBytes(task.from.source, task.from.name, options)
}
