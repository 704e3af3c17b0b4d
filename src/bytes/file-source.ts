import type { BigIntStats } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import type { ByteRange } from '../core/byte-range.ts'
import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import { errnoOf, toFileError } from '../files/file-error.ts'
import type { ByteSource } from './byte-source.ts'
import { requireWithin } from './source-range.ts'

const pieceBytes = 1024 * 1024
const pooled: Buffer[] = []
const maximumPooled = 16

function unreadable(error: unknown, path: string): unknown {
  if (errnoOf(error) === 'ENOENT') return new ScoreError('invalid-request', `there is no file '${path}'`, { cause: error })
  return toFileError(error, 'read', path)
}

async function openPinned(path: string): Promise<{ readonly handle: FileHandle; readonly pinned: BigIntStats }> {
  const handle = await open(path, 'r').catch((error: unknown) => {
    throw unreadable(error, path)
  })
  try {
    const pinned = await handle.stat({ bigint: true })
    if (pinned.isDirectory()) throw new ScoreError('invalid-request', `'${path}' is a folder; a file is needed`)
    if (!pinned.isFile())
      throw new ScoreError('invalid-request', `'${path}' is no regular file (a pipe or a device); only files can be read at any place`)
    return { handle, pinned }
  } catch (error) {
    await handle.close()
    throw error
  }
}

function requireSame(now: BigIntStats, pinned: BigIntStats, path: string): void {
  if (now.size === pinned.size && now.mtimeNs === pinned.mtimeNs && now.ino === pinned.ino) return
  const change = now.size === pinned.size ? 'was written to' : `went from ${pinned.size} to ${now.size} bytes`
  throw new ScoreError('object-changed', `'${path}' ${change} while it was being read; start again once nothing writes to it`)
}

async function* readPieces(handle: FileHandle, path: string, range: ByteRange, options?: CallOptions): AsyncGenerator<Uint8Array> {
  const buffer = pooled.pop() ?? Buffer.allocUnsafeSlow(pieceBytes)
  try {
    for (let at = range.start; at < range.end; ) {
      options?.signal?.throwIfAborted()
      const { bytesRead } = await handle.read(buffer, 0, Math.min(pieceBytes, range.end - at), at)
      if (bytesRead === 0) throw new ScoreError('object-changed', `'${path}' ended at byte ${at} while it was being read`)
      at += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  } catch (error) {
    throw toFileError(error, 'read', path)
  } finally {
    if (pooled.length < maximumPooled) pooled.push(buffer)
  }
}

/**
 * A file on disk, opened at the first use. From then on its size, time and identity are pinned: a read of a file that
 * was written to or replaced ends with `object-changed`, at the latest after its last piece.
 *
 * Pieces have up to 1 MiB and live in a buffer that is used again.
 *
 * @throws `invalid-request` for a path that is missing, a folder, or no regular file; `local-storage` for one that may
 *   not be read; both at the first use.
 */
export function createFileSource(path: string): ByteSource {
  let opened: ReturnType<typeof openPinned> | undefined
  let closed = false
  const pin = (): ReturnType<typeof openPinned> => {
    if (closed) throw new ScoreError('internal', `'${path}' is read after it was closed`)
    opened ??= openPinned(path).catch((error: unknown) => {
      opened = undefined
      throw error
    })
    return opened
  }
  const verify = async (pinned: BigIntStats): Promise<void> => {
    const now = await stat(path, { bigint: true }).catch((error: unknown) => {
      throw errnoOf(error) === 'ENOENT'
        ? new ScoreError('object-changed', `'${path}' was removed while it was being read`, { cause: error })
        : toFileError(error, 'read', path)
    })
    requireSame(now, pinned, path)
  }
  return {
    async size(options) {
      options?.signal?.throwIfAborted()
      return Number((await pin()).pinned.size)
    },
    async *stream(range, options) {
      const { handle, pinned } = await pin()
      requireWithin(range, Number(pinned.size), `'${path}'`)
      await verify(pinned)
      yield* readPieces(handle, path, range, options)
      await verify(pinned)
    },
    async close() {
      closed = true
      await (await opened?.catch(() => undefined))?.handle.close()
      opened = undefined
    },
  }
}
