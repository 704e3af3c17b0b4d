import { stat } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import type { ByteSource, CallOptions, Slicer, SlicerSources } from '../../src/index.ts'
import type { CommandContext } from './context.ts'
import { printable } from './format.ts'
import { refusal } from './refusal.ts'
import type { Session } from './session.ts'

/** A file of reads, here or stored; nothing of it is read yet. */
export interface ReadsInput {
  /** As people know it: the path as it was typed, or the catalogue's name. */
  readonly name: string
  readonly objectId?: string
  /** Absolute; absent for an object. */
  readonly path?: string
  readonly data: ByteSource
  readonly slicer: Slicer
  close(): Promise<void>
}

export interface ReadsInputOptions {
  /** Inputs that are read at the same time and share the memory. */
  readonly together?: number
  /** Told of bytes that are read. */
  readonly onBytes?: (count: number) => void
  /** FASTA file of a CRAM, with its `.fai` beside it, and its `.gzi` when it is compressed. */
  readonly referenceFile?: string | undefined
}

const MiB = 1024 * 1024
const aheadBytes = 48 * MiB
const cacheBytes = 32 * MiB
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

function counted(source: ByteSource, onBytes: ((count: number) => void) | undefined): ByteSource {
  if (!onBytes) return source
  return {
    ...source,
    async *stream(range, options) {
      for await (const piece of source.stream(range, options)) {
        onBytes(piece.length)
        yield piece
      }
    },
  }
}

/** Shares of the memory for what is read ahead and kept. */
function shares(together: number): { readonly ahead: number; readonly cache: number } {
  return {
    ahead: Math.min(aheadBytes / 2, Math.max(MiB / 2, Math.floor(aheadBytes / together))),
    cache: Math.max(MiB, Math.floor(cacheBytes / together)),
  }
}

async function modifiedAt(path: string): Promise<number | undefined> {
  const found = await stat(path).catch(() => undefined)
  return found?.isFile() ? found.mtimeMs : undefined
}

async function indexBeside(path: string): Promise<string | undefined> {
  const { readsIndexNames } = await import('../../src/index.ts')
  for (const name of readsIndexNames(path)) if ((await modifiedAt(name)) !== undefined) return name
  return undefined
}

type CramSources = Pick<SlicerSources, 'reference' | 'samtools'> & { close(): Promise<void> }

/** What CRAM needs besides the file: its reference, and samtools for what it alone can write; nothing is opened before it is used. */
async function cramSources(referenceFile: string | undefined, { cwd }: CommandContext): Promise<CramSources> {
  const { createFastaReference, createFileSource, createSamtoolsTool } = await import('../../src/index.ts')
  if (referenceFile === undefined) return { samtools: createSamtoolsTool(), close: async () => {} }
  const path = resolve(cwd, referenceFile)
  const fasta = createFileSource(path)
  const fai = createFileSource(`${path}.fai`)
  const gzi = (await modifiedAt(`${path}.gzi`)) === undefined ? undefined : createFileSource(`${path}.gzi`)
  return {
    reference: createFastaReference({ fasta, fai, ...(gzi && { gzi }) }, { name: referenceFile }),
    samtools: createSamtoolsTool({ reference: path }),
    async close() {
      await Promise.all([fasta.close(), fai.close(), gzi?.close()])
    },
  }
}

export interface LocalReads {
  readonly file: string
  /** Where it does not lie beside the file. */
  readonly index?: string | undefined
}

/** A file here; its index is looked for beside it. */
export async function openLocalReads(reads: LocalReads, context: CommandContext, options: ReadsInputOptions = {}): Promise<ReadsInput> {
  const { createBamSlicer, createFileSource } = await import('../../src/index.ts')
  const path = resolve(context.cwd, reads.file)
  const modified = await modifiedAt(path)
  if (modified === undefined) throw refusal(`there is no file '${reads.file}'; name a file, or an object by its id`)
  const indexPath = reads.index === undefined ? await indexBeside(path) : resolve(context.cwd, reads.index)
  if (indexPath !== undefined && ((await modifiedAt(indexPath)) ?? modified) < modified)
    context.output.warn(
      `the index ${printable(indexPath)} is older than its file; make it anew if the file has changed: score index ${printable(reads.file)}`,
    )
  const data = counted(createFileSource(path), options.onBytes)
  const index = indexPath === undefined ? undefined : createFileSource(indexPath)
  const names = { name: reads.file, ...(indexPath === undefined ? {} : { indexName: indexPath }) }
  const { close, ...cram } = await cramSources(options.referenceFile, context)
  return {
    name: reads.file,
    path,
    data,
    slicer: createBamSlicer({ data, ...cram, ...(index && { index }) }, { ...names, aheadBytes: shares(options.together ?? 1).ahead }),
    async close() {
      await Promise.all([data.close(), index?.close(), close()])
    },
  }
}

/** An object; its index is found in the catalogue. */
export async function openStoredReads(
  objectId: string,
  session: Session,
  context: CommandContext,
  options: ReadsInputOptions & CallOptions = {},
): Promise<ReadsInput> {
  const { createBamSlicer, openObjectReads } = await import('../../src/index.ts')
  const { together = 1, onBytes, signal } = options
  const { network } = session.reach
  const { ahead, cache } = shares(together)
  const reads = await openObjectReads({ api: session.api(), metadata: session.catalogue() }, objectId, {
    connections: Math.max(1, Math.ceil(session.config.integer('transport.parallel') / together)),
    stallSeconds: session.config.integer('client.readTimeoutSeconds'),
    retry: { attempts: session.config.integer('storage.retryNumber') },
    cache: { maximumBytes: cache },
    ...(network && { network }),
    ...(signal && { signal }),
  })
  const { entity, indexEntity, index } = reads
  const data = counted(reads.data, onBytes)
  const names = { name: entity.fileName, ...(indexEntity && { indexName: indexEntity.fileName }) }
  const { close, ...cram } = await cramSources(options.referenceFile, context)
  return {
    name: entity.fileName,
    objectId,
    data,
    slicer: createBamSlicer({ data, ...cram, ...(index && { index }) }, { ...names, aheadBytes: ahead }),
    async close() {
      await Promise.all([reads.close(), close()])
    },
  }
}

/** Whether an argument names an object; a file of that name here comes first. */
async function namesObject(argument: string, context: CommandContext): Promise<boolean> {
  return uuid.test(argument) && (await modifiedAt(resolve(context.cwd, argument))) === undefined
}

/** Does work on what an argument names, a file here or an object, and closes it. A session is opened only for an object. */
export async function withReads<Result>(
  argument: string,
  context: CommandContext,
  openSession: (context: CommandContext) => Promise<Session>,
  work: (input: ReadsInput) => Promise<Result>,
  options: Pick<ReadsInputOptions, 'referenceFile'> = {},
): Promise<Result> {
  const session = (await namesObject(argument, context)) ? await openSession(context) : undefined
  try {
    const { signal } = context
    const input = session
      ? await openStoredReads(argument, session, context, { ...options, signal })
      : await openLocalReads({ file: argument }, context, options)
    try {
      return await work(input)
    } finally {
      await input.close()
    }
  } finally {
    await session?.close()
  }
}

/** Name of an input without its folders. */
export function fileNameOf(input: Pick<ReadsInput, 'name'>): string {
  return basename(input.name)
}
