import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  type BamHeader,
  type BamRecord,
  createBamReader,
  createMemorySource,
  encodeBai,
  encodeIndex,
  formatSamRecord,
} from '../../../src/index.ts'
import { createRandom, fixtureHeader, sortedRecords } from '../../formats/bam-fixture.ts'
import { layBam } from '../../slice/slice-fixture.ts'
import { type CliWorld, createCliWorld } from './cli-world.ts'

export interface StoredReads {
  readonly objectId: string
  readonly records: readonly BamRecord[]
  readonly header: BamHeader
  /** Where its file lies here, without an index beside it. */
  readonly path: string
}

/** A world with stored files of reads. */
export interface ReadsWorld extends CliWorld {
  readonly reads: Readonly<Record<string, StoredReads>>
}

interface Made {
  readonly bam: Uint8Array
  /** Name of the index and its bytes; absent for none. */
  readonly index?: readonly [name: string, bytes: Uint8Array]
  readonly records: readonly BamRecord[]
  readonly header: BamHeader
}

const random = createRandom(2_611)

async function make(indexName: string | undefined, header: BamHeader = fixtureHeader): Promise<Made> {
  const records = sortedRecords(random, 700)
  const { bam, index } = await layBam(records, { blockBytes: () => 0xff00, aligned: true }, header)
  if (indexName === undefined) return { bam, records, header }
  if (!indexName.endsWith('csi')) return { bam, records, header, index: [indexName, encodeBai(index)] }
  // Whatever is in it, a CSI is made of an index with other windows.
  const csi = await layBam(records, { blockBytes: () => 0xff00, aligned: true, csiScheme: { minShift: 12, depth: 6 } }, header)
  return { bam, records, header, index: [indexName, (await encodeIndex(csi.index)).bytes] }
}

/** Stores files whose indexes have each of the names that there are, one without, and ones that are damaged; uploads run side by side. */
export async function createReadsWorld(): Promise<ReadsWorld> {
  const world = await createCliWorld()
  const whole = await make('a.bam.bai')
  const middle = Math.floor(whole.bam.length / 2)
  const flipped = Uint8Array.from(whole.bam)
  flipped[middle] = (flipped[middle] as number) ^ 0x40
  const grouped = { ...fixtureHeader, text: `${fixtureHeader.text}@RG\tID:g2\tSM:other\n` }
  const files: Readonly<Record<string, Made>> = {
    'a.bam': whole,
    'short.bam': await make('short.bai', grouped),
    'wide.bam': await make('wide.bam.csi'),
    'bare.bam': await make(undefined),
    'cut.bam': { ...whole, bam: whole.bam.subarray(0, middle), index: ['cut.bam.bai', (whole.index as readonly [string, Uint8Array])[1]] },
    'flipped.bam': { ...whole, bam: flipped, index: ['flipped.bam.bai', (whole.index as readonly [string, Uint8Array])[1]] },
    'stale.bam': { ...(await make(undefined)), index: ['stale.bam.bai', (whole.index as readonly [string, Uint8Array])[1]] },
    'text.sam': { bam: Buffer.from(`${fixtureHeader.text}r\t4\t*\t0\t0\t*\t*\t0\t0\t*\t*\n`), records: [], header: fixtureHeader },
  }
  const reads: Record<string, StoredReads> = {}
  const stored = await Promise.allSettled(
    Object.entries(files).map(async ([name, { bam, index, records, header }]) => {
      const path = join(world.folder, name)
      writeFileSync(path, bam)
      if (index) writeFileSync(join(world.folder, index[0]), index[1])
      const { code, stdout, stderr } = await world.run(['upload', '--study', 'S', '--allow-duplicates', name, ...(index ? [index[0]] : [])])
      if (code !== 0) throw new Error(stderr)
      const objectId =
        stdout
          .split('\n')
          .find((line) => line.endsWith(name))
          ?.split('\t')[0] ?? ''
      reads[name] = { objectId, path, records, header }
    }),
  )
  const failed = stored.find(({ status }) => status === 'rejected')
  if (failed) {
    await world.close()
    throw (failed as PromiseRejectedResult).reason
  }
  return { ...world, reads }
}

export function samLines(records: readonly BamRecord[], header: Pick<BamHeader, 'references'> = fixtureHeader): string {
  return records.map((record) => `${formatSamRecord(record, header)}\n`).join('')
}

/** Lines of reads, without the header. */
export function bodyOf(sam: string): string {
  return sam.replace(/^(@[^\n]*\n)+/, '')
}

/** The header of a BAM file and its reads as SAM lines. */
export async function readBam(path: string): Promise<{ readonly header: BamHeader; readonly bytes: Buffer }> {
  const reader = createBamReader(createMemorySource(readFileSync(path)), { name: path })
  await reader.checkEofMarker()
  const pieces: Uint8Array[] = []
  for await (const { bytes } of reader.records()) pieces.push(Buffer.from(bytes))
  return { header: await reader.header(), bytes: Buffer.concat(pieces) }
}
