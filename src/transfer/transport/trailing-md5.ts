import { createHash } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { ScoreError } from '../../core/errors.ts'
import type { OpenFiles } from './open-files.ts'

const pieceBytes = 1024 * 1024

/** MD5 of a file that is filled in any order: reads on while the next part is there. */
export interface TrailingMd5 {
  done(partIndex: number): void
  readonly digest: Promise<string>
  cancel(): void
}

export interface TrailingMd5Options {
  readonly path: string
  /** Exclusive end of each part in the file, ascending. */
  readonly partEnds: readonly number[]
  readonly files: OpenFiles
  /** Told the bytes hashed so far. */
  readonly onHashed: (bytes: number) => void
}

/**
 * One native hash over the file, in order, a little behind the first part that is missing: bytes are mostly still in the
 * page cache when they are read. Takes a turn of the event loop per piece, so it shares a thread with others of its kind.
 */
export function createTrailingMd5(options: TrailingMd5Options): TrailingMd5 {
  const { path, partEnds, files, onHashed } = options
  const present = new Set<number>()
  let cancelled = false
  let wake = (): void => {}

  async function partIsThere(index: number): Promise<void> {
    while (!present.has(index) && !cancelled) {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
    if (cancelled) throw new ScoreError('internal', `the MD5 of '${path}' was given up`)
  }

  async function run(): Promise<string> {
    const hash = createHash('md5')
    const piece = Buffer.allocUnsafeSlow(Math.min(pieceBytes, Math.max(1, partEnds.at(-1) ?? 0)))
    let at = 0
    for (const [index, end] of partEnds.entries()) {
      await partIsThere(index)
      present.delete(index)
      await files.use(path, 'read', async (file) => {
        while (at < end && !cancelled) {
          const view = piece.subarray(0, Math.min(piece.length, end - at))
          await file.read(view, at)
          hash.update(view)
          at += view.length
          onHashed(at)
          await nextTurn()
        }
      })
      if (cancelled) await partIsThere(index)
    }
    return hash.digest('hex')
  }

  const digest = run()
  digest.catch(() => {})
  return {
    done(partIndex) {
      present.add(partIndex)
      wake()
    },
    digest,
    cancel() {
      cancelled = true
      wake()
    },
  }
}
