import type { PlacedBytes } from '../bytes/read-ahead.ts'
import { ScoreError } from '../core/errors.ts'
import { type CramContainerHeader, containerHeaderBytes, decodeContainerHeader } from '../formats/cram-container.ts'
import type { CramVersion } from '../formats/cram-version.ts'

/** A piece of a container, in file order. */
export interface ContainerPiece {
  /** Byte of the file where the container begins. */
  readonly offset: number
  readonly header: CramContainerHeader
  /** The first piece begins with the container's header. */
  readonly bytes: Uint8Array
  readonly isFirst: boolean
  readonly isLast: boolean
}

export interface ContainerWalkOptions {
  readonly version: CramVersion
  /** How messages name the file. */
  readonly name: string
  /** Asked for each container; what is not wanted is passed over. Throws for one that should not be there. */
  readonly wants: (offset: number, header: CramContainerHeader) => boolean
}

/** No header has so many landmarks; who claims to is damage, and must not be gathered for ever. */
const mostHeaderBytes = 16 * 1024 * 1024

interface OpenContainer {
  readonly offset: number
  readonly header: CramContainerHeader
  readonly end: number
  readonly wanted: boolean
}

/**
 * Goes from container to container through bytes of a CRAM file; each stretch of them begins with a container. Every
 * container header is checked, what lies behind it is passed on as it is, in pieces.
 *
 * @throws `invalid-format` where no container begins, or one is cut off.
 */
export async function* walkContainers(pieces: AsyncIterable<PlacedBytes>, options: ContainerWalkOptions): AsyncGenerator<ContainerPiece> {
  const { version, name, wants } = options
  let open: OpenContainer | undefined
  /** The begin of a header whose end is not there yet. */
  let held: Uint8Array = new Uint8Array(0)
  let next = 0
  const cutOff = (): ScoreError<'invalid-format'> =>
    new ScoreError(
      'invalid-format',
      `${name}: the container at byte ${open?.offset ?? next - held.length} goes beyond byte ${next}, where the file ends or its index names another container; the file has been cut off, or its index is of another file`,
    )
  for await (const { start, bytes: fresh } of pieces) {
    if (start !== next && (open || held.length > 0)) throw cutOff()
    const bytes = held.length > 0 ? Buffer.concat([held, fresh]) : fresh
    const from = start - held.length
    held = held.subarray(0, 0)
    next = start + fresh.length
    for (let at = 0; at < bytes.length; ) {
      let isFirst = false
      if (!open) {
        const size = containerHeaderBytes(bytes, at, version)
        if (size === undefined) {
          held = bytes.slice(at)
          if (held.length > mostHeaderBytes) throw cutOff()
          break
        }
        const offset = from + at
        const header = decodeContainerHeader(bytes.subarray(at, at + size), version, `${name}: byte ${offset}`)
        open = { offset, header, end: offset + size + header.length, wanted: wants(offset, header) }
        isFirst = true
      }
      const { offset, header, end, wanted }: OpenContainer = open
      const until = Math.min(bytes.length, end - from)
      const isLast = until === end - from
      if (wanted) yield { offset, header, bytes: bytes.subarray(at, until), isFirst, isLast }
      at = until
      if (isLast) open = undefined
    }
  }
  if (open || held.length > 0) throw cutOff()
}

/** A container with all its bytes. */
export type WholeContainer = Pick<ContainerPiece, 'offset' | 'header' | 'bytes'>

/** The containers with all their bytes, which stay as they are. */
export async function* wholeContainers(pieces: AsyncIterable<ContainerPiece>): AsyncGenerator<WholeContainer> {
  let parts: Uint8Array[] = []
  for await (const { offset, header, bytes, isLast } of pieces) {
    parts.push(bytes)
    if (!isLast) continue
    const [only] = parts
    yield { offset, header, bytes: parts.length === 1 && only ? only : Buffer.concat(parts) }
    parts = []
  }
}
