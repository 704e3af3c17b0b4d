import { once } from 'node:events'
import { realpath } from 'node:fs/promises'
import type { BamSlice, CramSlice } from '../../src/index.ts'
import type { CommandContext } from './context.ts'
import { printable } from './format.ts'
import { refusal } from './refusal.ts'
import { indexNameOf } from './view-names.ts'

/** A file that was written. */
export interface WrittenReads {
  readonly path: string
  readonly bytes: number
  /** Whether it holds nothing but the reads that were asked for. */
  readonly exact: boolean
  readonly indexPath?: string
}

export async function writeToStdout(pieces: AsyncIterable<Uint8Array>, { stdout, signal }: CommandContext): Promise<void> {
  for await (const piece of pieces) {
    signal.throwIfAborted()
    if (!stdout.write(piece)) await once(stdout, 'drain', { signal })
  }
}

/** @throws a refusal when the output is one of the inputs, which would be gone before it is read. */
async function refuseInput(path: string, inputs: readonly (string | undefined)[]): Promise<void> {
  const target = await realpath(path).catch(() => undefined)
  if (target === undefined) return
  for (const input of inputs) {
    if (input !== undefined && (await realpath(input).catch(() => undefined)) === target)
      throw refusal(`${printable(path)} is the input itself, and would be written over: give another --output-dir`)
  }
}

export interface FileOutput {
  readonly path: string
  /** Paths of inputs, which must stay. */
  readonly inputs: readonly (string | undefined)[]
  readonly withIndex: boolean
  readonly isCram: boolean
}

/** The bytes of the slice's index: derived, or made by going through what was written. */
async function indexBytes(
  slice: BamSlice | CramSlice,
  { path, isCram }: FileOutput,
  { signal }: CommandContext,
): Promise<{ readonly bytes: Uint8Array; readonly extension: string }> {
  const { buildBamIndex, buildCramIndex, createFileSource, encodeIndex, isScoreError } = await import('../../src/index.ts')
  try {
    return await encodeIndex(slice.sliceIndex())
  } catch (error) {
    // A slice made without an index has none to derive, nor has what samtools wrote.
    if (!isScoreError(error, 'invalid-request')) throw error
  }
  const written = createFileSource(path)
  try {
    return await encodeIndex(await (isCram ? buildCramIndex : buildBamIndex)(written, { name: path, signal }))
  } finally {
    await written.close()
  }
}

/** Writes a slice, and its index where that is wanted. What is not whole has no name. */
export async function writeToFile(slice: BamSlice | CramSlice, target: FileOutput, context: CommandContext): Promise<WrittenReads> {
  const { writeFileAtomic, writeFilePieces } = await import('../../src/index.ts')
  const { signal, strict } = context
  const { path, inputs, withIndex } = target
  await refuseInput(path, inputs)
  const bytes = await writeFilePieces(path, slice, { signal })
  const exact = 'exact' in slice ? slice.exact : true
  if (!withIndex) return { path, bytes, exact }
  const index = await indexBytes(slice, target, context)
  const indexPath = indexNameOf(path, index.extension, strict)
  await writeFileAtomic(indexPath, index.bytes, { durable: false })
  return { path, bytes, exact, indexPath }
}
