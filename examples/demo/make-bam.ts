import { type FileHandle, open, rm, writeFile } from 'node:fs/promises'
import { createBamWriter, encodeBai } from '../../src/index.ts'
import { demoHeader } from './demo-genome.ts'
import { demoReads } from './demo-reads.ts'

export interface DemoBamTask {
  /** Where the BAM goes; its index gets `.bai` behind that name. Both are replaced when they are there. */
  readonly path: string
  /** The BAM will have at least so many bytes, and about one per cent more. */
  readonly targetBytes: number
  /** Same seed and target, same records; default 1. */
  readonly seed?: number
  /** Told every 16,384 records. */
  readonly onProgress?: (progress: { readonly records: number; readonly totalRecords: number }) => void
  /** Ends the work; what was written is removed. */
  readonly signal?: AbortSignal
}

export interface DemoBam {
  readonly path: string
  readonly indexPath: string
  readonly sizeBytes: number
  readonly indexBytes: number
  readonly records: number
}

/**
 * A pair takes 502 compressed bytes and a little more in small files; less here, so that another zlib still reaches the
 * target. The count must not depend on what was written: the records shall be the same with every zlib.
 */
const bytesPerPair = 498
const writeBytes = 1024 * 1024
const recordsPerTick = 16_384

/**
 * Makes a coordinate-sorted BAM file and its BAI index: paired reads over a genome of 25 references, with clips, gaps,
 * duplicates, discordant pairs and unmapped mates. The records depend on seed and target alone; their compressed form also
 * on the zlib that Node was built with.
 */
export async function makeDemoBam(task: DemoBamTask): Promise<DemoBam> {
  const { path, targetBytes, seed = 1, onProgress, signal } = task
  const indexPath = `${path}.bai`
  const pairs = Math.ceil(targetBytes / bytesPerPair)
  const totalRecords = pairs * 2
  const file = await open(path, 'w')
  try {
    const output = gatherWrites(file)
    const writer = createBamWriter(output.sink, { header: demoHeader(seed), strategy: 'huffman-only', ...(signal && { signal }) })
    let records = 0
    for (const record of demoReads(seed, pairs)) {
      const full = writer.write(record)
      if (full) await full
      records += 1
      if (records % recordsPerTick === 0) {
        signal?.throwIfAborted()
        onProgress?.({ records, totalRecords })
      }
    }
    const written = await writer.finish()
    await output.flush()
    const index = encodeBai(written.index)
    await writeFile(indexPath, index)
    if (written.size < targetBytes)
      throw new Error(
        `made ${written.size} bytes where ${targetBytes} were asked for: this zlib compresses better than known; lower bytesPerPair`,
      )
    return { path, indexPath, sizeBytes: written.size, indexBytes: index.length, records: written.records }
  } catch (error) {
    await Promise.all([rm(path, { force: true }), rm(indexPath, { force: true })])
    throw error
  } finally {
    await file.close()
  }
}

/** Writes in large pieces: the deflating blocks wait for the same threads. */
function gatherWrites(file: FileHandle): {
  readonly sink: (bytes: Uint8Array) => Promise<void> | void
  readonly flush: () => Promise<void>
} {
  let gathered: Uint8Array[] = []
  let length = 0
  const flush = async (): Promise<void> => {
    const pieces = gathered
    gathered = []
    length = 0
    for (let bytes = Buffer.concat(pieces); bytes.length > 0; ) bytes = bytes.subarray((await file.write(bytes)).bytesWritten)
  }
  return {
    flush,
    sink(bytes) {
      gathered.push(bytes)
      length += bytes.length
      return length < writeBytes ? undefined : flush()
    },
  }
}
