import { open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { CallOptions } from '../core/call-options.ts'
import { discard, temporaryPath } from './atomic-write.ts'
import { toFileError } from './file-error.ts'

async function writePieces(path: string, pieces: AsyncIterable<Uint8Array>, final: string, signal?: AbortSignal): Promise<number> {
  const failed = (error: unknown): unknown => toFileError(error, 'write', final)
  const handle = await open(path, 'wx').catch((error: unknown) => {
    throw failed(error)
  })
  let size = 0
  try {
    for await (const piece of pieces) {
      signal?.throwIfAborted()
      for (let at = 0; at < piece.length; ) {
        const { bytesWritten } = await handle.write(piece, at).catch((error: unknown) => {
          throw failed(error)
        })
        at += bytesWritten
      }
      size += piece.length
    }
  } finally {
    await handle.close()
  }
  return size
}

/**
 * Writes a file piece by piece. It has its name once it is whole; until then, and when anything fails, there is none, or the
 * one that was there before.
 *
 * @returns its bytes
 * @throws `local-storage` naming the path; what the pieces throw
 */
export async function writeFilePieces(path: string, pieces: AsyncIterable<Uint8Array>, { signal }: CallOptions = {}): Promise<number> {
  const temporary = temporaryPath(dirname(path))
  try {
    const size = await writePieces(temporary, pieces, path, signal)
    await rename(temporary, path).catch((error: unknown) => {
      throw toFileError(error, 'write', path)
    })
    return size
  } catch (error) {
    await discard(temporary)
    throw error
  }
}
