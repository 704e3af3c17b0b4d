import { ScoreError } from '../core/errors.ts'
import { type CramBlock, decodeCramBlock } from './cram-block.ts'
import { type CramCompression, parseCramCompression } from './cram-compression.ts'
import type { CramContainerHeader } from './cram-container.ts'
import type { CramInflate } from './cram-inflate.ts'
import type { CramSliceContent } from './cram-records.ts'
import { type CramSliceHeader, parseCramSliceHeader } from './cram-slice-header.ts'
import type { CramVersion } from './cram-version.ts'

export interface CramContainer {
  readonly header: CramContainerHeader
  /** All of it, header first. */
  readonly bytes: Uint8Array
  readonly version: CramVersion
  readonly inflate: CramInflate
  /** How messages name it. */
  readonly where: string
}

/** A slice, with its blocks still compressed. */
export interface CramSlice {
  readonly header: CramSliceHeader
  /** Where it begins, in bytes behind the container's header. */
  readonly start: number
  /** Its bytes, header and blocks. */
  readonly size: number
  /** @throws `invalid-format` when a block is damaged. */
  content(): Promise<CramSliceContent>
}

const none = new Uint8Array(0)

async function inflateAll(blocks: readonly CramBlock[], { inflate, where }: CramContainer): Promise<Map<CramBlock, Uint8Array>> {
  const inflated = await Promise.all(blocks.map((block) => inflate(block, where)))
  return new Map(blocks.map((block, at) => [block, inflated[at] as Uint8Array]))
}

function blocksFrom(container: CramContainer, start: number, count: number, where: string): CramBlock[] {
  let at = start
  return Array.from({ length: count }, () => {
    const block = decodeCramBlock(container.bytes, at, container.version, where)
    at += block.bytes.length
    return block
  })
}

async function openSlice(container: CramContainer, landmark: number, compression: CramCompression, number: number): Promise<CramSlice> {
  const { header: containerHeader, version, inflate } = container
  const where = `${container.where}, slice ${number}`
  const start = containerHeader.size + landmark
  const [first] = blocksFrom(container, start, 1, where) as [CramBlock]
  if (first.content !== 'slice-header') throw new ScoreError('invalid-format', `${where}: no slice begins where the container says`)
  const header = parseCramSliceHeader(await inflate(first, where), version, where)
  if (header.records > containerHeader.records) throw new ScoreError('invalid-format', `${where}: it claims ${header.records} records`)
  const behind = containerHeader.landmarks[number + 1] ?? containerHeader.length
  return {
    header,
    start: landmark,
    size: behind - landmark,
    async content() {
      const blocks = blocksFrom(container, start + first.bytes.length, header.blocks, where)
      const inflated = await inflateAll(blocks, { ...container, where })
      const external = new Map<number, Uint8Array>()
      for (const block of blocks) if (block.content === 'external') external.set(block.id, inflated.get(block) ?? none)
      const core = blocks.find(({ content }) => content === 'core')
      return { header, compression, where, external, core: (core && inflated.get(core)) ?? none }
    },
  }
}

/** The slices of a container, in order. @throws `invalid-format` when it is damaged. */
export async function* cramSlices(container: CramContainer): AsyncGenerator<CramSlice> {
  const { header, bytes, version, inflate, where } = container
  if (header.records === 0) return
  const first = decodeCramBlock(bytes, header.size, version, where)
  if (first.content !== 'compression-header')
    throw new ScoreError('invalid-format', `${where}: it does not begin with a compression header`)
  const compression = parseCramCompression(await inflate(first, where), where)
  for (const [number, landmark] of header.landmarks.entries()) yield await openSlice(container, landmark, compression, number)
}
