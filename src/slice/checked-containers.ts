import { crc32 } from 'node:zlib'
import { ScoreError } from '../core/errors.ts'
import { cramBlockSizes } from '../formats/cram-block.ts'
import type { CramVersion } from '../formats/cram-version.ts'
import type { ContainerPiece } from './container-walk.ts'

/** A block being passed through. */
interface OpenBlock {
  readonly number: number
  /** Bytes of header and data, and of the CRC, that are still to come. */
  left: number
  footer: number
  sum: number
  readonly told: number[]
}

const emptyBytes = new Uint8Array(0)

/**
 * Passes containers on as they are, with the CRC of every block checked. Nothing is inflated.
 *
 * @throws `invalid-format` naming the first block that is damaged.
 */
export async function* checkedContainers(
  pieces: AsyncIterable<ContainerPiece>,
  version: CramVersion,
  name: string,
): AsyncGenerator<ContainerPiece> {
  if (version.major < 3)
    throw new ScoreError(
      'invalid-request',
      `${name}: CRAM ${version.major}.${version.minor} has no checksums of its blocks, so nothing can be verified`,
    )
  let block: OpenBlock | undefined
  let held: Uint8Array = emptyBytes
  let number = 0
  for await (const piece of pieces) {
    const where = `${name}: container at byte ${piece.offset}`
    const broken = (what: string): ScoreError<'invalid-format'> =>
      new ScoreError('invalid-format', `${where}, block ${number} of it: ${what}`)
    if (piece.isFirst) {
      number = 0
      block = undefined
    }
    const fresh = piece.isFirst ? piece.bytes.subarray(piece.header.size) : piece.bytes
    const bytes = held.length > 0 ? Buffer.concat([held, fresh]) : fresh
    held = emptyBytes
    for (let at = 0; at < bytes.length; ) {
      if (!block) {
        const sizes = cramBlockSizes(bytes, at, version, where)
        if (!sizes) {
          held = bytes.slice(at)
          break
        }
        block = { number, left: sizes.header + sizes.data, footer: sizes.footer, sum: 0, told: [] }
      }
      const data = bytes.subarray(at, at + block.left)
      block.sum = data.length > 0 ? crc32(data, block.sum) : block.sum
      block.left -= data.length
      at += data.length
      for (; block.left === 0 && block.footer > 0 && at < bytes.length; at += 1) {
        block.told.push(bytes[at] as number)
        block.footer -= 1
      }
      if (block.left > 0 || block.footer > 0) continue
      if (Buffer.from(block.told).readUInt32LE() !== block.sum) throw broken('its CRC-32 does not match its data; the file is damaged')
      block = undefined
      number += 1
    }
    if (piece.isLast && (block || held.length > 0 || number !== piece.header.blocks))
      throw broken(`${piece.header.blocks} blocks should be in it, which do not fit its ${piece.header.length} bytes; the file is damaged`)
    yield piece
  }
}
