import { readFile } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import type { RegionInput, RegionSelection } from '../../src/index.ts'
import type { CommandValues } from './command-run.ts'
import type { CommandContext } from './context.ts'
import { refusal } from './refusal.ts'
import { type ReadsFormat, regionLabel, regionsLabel } from './view-names.ts'

type Values = CommandValues<'view'>

/** One region by itself, for counts and `--output-type cross`. */
export interface ViewQuery {
  readonly text: string
  readonly regions: RegionSelection
}

/** Where the reads come from. */
export type ViewSource =
  | { readonly kind: 'file'; readonly path: string; readonly index: string | undefined }
  | { readonly kind: 'objects'; readonly objectIds: readonly string[] }
  | { readonly kind: 'manifest'; readonly manifest: string }

/** A command line of `view`, understood. */
export interface ViewRequest {
  readonly source: ViewSource
  readonly regions: RegionSelection
  readonly queries: readonly ViewQuery[]
  /** Of the regions in names of files; absent for all of a file. */
  readonly label: string | undefined
  readonly format: ReadsFormat
  readonly toStdout: boolean
}

const stdoutRule = 'Output to stdout only permitted with --object-id. Not compatible with --manifest.'
const noInput =
  'One of --object-id, --input-file or --manifest must be specified. For CRAM files, please additionally include --reference-file.'
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

function sourceOf(values: Values, positional: string | undefined, { output }: CommandContext): ViewSource {
  const { inputFile, inputFileIndex, objectId, manifest } = values
  if (positional !== undefined) {
    if (inputFile !== undefined || objectId !== undefined || manifest !== undefined)
      throw refusal(`'${positional}' is one input and an option names another: give one of them; more regions follow --query`)
    if (uuid.test(positional)) return { kind: 'objects', objectIds: [positional] }
    return { kind: 'file', path: positional, index: inputFileIndex }
  }
  if (manifest !== undefined && objectId !== undefined) output.warn('Ignoring --manifest argument; --object-id supercedes')
  if (inputFile !== undefined) {
    if (objectId !== undefined || manifest !== undefined) output.warn('--input-file is read, and no object')
    return { kind: 'file', path: inputFile, index: inputFileIndex }
  }
  if (objectId !== undefined) return { kind: 'objects', objectIds: [objectId] }
  if (manifest !== undefined) return { kind: 'manifest', manifest }
  throw refusal(noInput)
}

async function bedQueries(path: string, { cwd }: CommandContext): Promise<ViewQuery[]> {
  const { formatRegion, parseBed } = await import('../../src/index.ts')
  const regions = parseBed(await readFile(resolve(cwd, path), 'utf8'), path)
  if (regions.length === 0) throw refusal(`${path}: it names no region that has a length; a BED file has lines of name, start and end`)
  return regions.map((region) => ({ text: formatRegion(region), regions: [region] }))
}

interface Asked {
  readonly regions: RegionSelection
  readonly queries: readonly ViewQuery[]
  readonly label: string | undefined
}

async function askedOf(values: Values, regionArguments: readonly string[], context: CommandContext): Promise<Asked> {
  const { strict, output } = context
  const { bedQuery, headerOnly } = values
  const asked = [...values.query, ...regionArguments]
  if (headerOnly) return { regions: [], queries: [], label: 'header' }
  if (bedQuery !== undefined) {
    if (asked.length > 0) output.warn('--bed-query replaces the other regions')
    const queries = await bedQueries(bedQuery, context)
    return { regions: queries.flatMap(({ regions }) => regions as readonly RegionInput[]), queries, label: basename(bedQuery) }
  }
  // Without regions the original gives the header alone.
  if (asked.length === 0)
    return { regions: strict ? [] : 'all', queries: strict ? [] : [{ text: 'all', regions: 'all' }], label: strict ? '' : undefined }
  return { regions: asked, queries: asked.map((text) => ({ text, regions: [text] })), label: regionsLabel(asked) }
}

/** What the original refuses, in its words. */
function refuseOriginal(values: Values): void {
  const { stdout, manifest, objectId, inputFile, outputDir } = values
  if (stdout && (manifest !== undefined || objectId === undefined)) throw refusal(stdoutRule)
  if (manifest !== undefined && objectId === undefined && inputFile === undefined && outputDir === undefined)
    throw refusal('--output-dir must be specified when using --manifest')
}

function refuseEither({ outputType, headerOnly }: Values, format: ReadsFormat): void {
  if (outputType === 'merged' && format === 'cram') throw refusal('--output-type merged writes BAM or SAM: give --output-format bam')
  if (outputType === 'cross' && headerOnly) throw refusal('--output-type cross makes a file for each region, and --header-only has none')
}

function refuseFriendly(values: Values, toStdout: boolean, format: ReadsFormat, { output, stdout }: CommandContext): void {
  const { outputType, outputIndex, manifest, count } = values
  const isMerged = outputType === 'merged'
  if (count) return
  if (output.json && toStdout) throw refusal('--json needs standard output for itself: say with --output-dir where the reads go')
  if (outputIndex && (toStdout || format === 'sam'))
    throw refusal('--output-index writes an index beside a BAM or CRAM: give --output-dir, and --output-format bam or cram')
  if (toStdout && manifest !== undefined && !isMerged)
    throw refusal('the objects of a manifest do not go into one stream: give --output-dir, or --output-type merged')
  if (toStdout && outputType === 'cross') throw refusal('--output-type cross writes several files: give --output-dir')
  if (toStdout && format !== 'sam' && (stdout as { readonly isTTY?: boolean }).isTTY)
    throw refusal(`${format.toUpperCase()} is nothing to read on a terminal: redirect it, or give --output-dir`)
}

/** Reads a command line of `view`. @throws a refusal for what cannot be. */
export async function readViewRequest(values: Values, args: readonly string[], context: CommandContext): Promise<ViewRequest> {
  const { strict } = context
  const [positional, ...regionArguments] = args
  const toStdout = values.stdout || values.outputDir === undefined
  // The original writes text alone to standard output.
  const format = strict && toStdout ? 'sam' : values.outputFormat
  if (strict) refuseOriginal(values)
  refuseEither(values, format)
  const source = sourceOf(values, positional, context)
  if (!strict) refuseFriendly(values, toStdout, format, context)
  if (strict && values.stdout && values.outputFormat === 'bam') context.output.say('When --stdout specified, output format forced to SAM.')
  return { source, format, toStdout, ...(await askedOf(values, regionArguments, context)) }
}

/** The part of a file's name that stands for one region. */
export function labelOf({ text, regions }: ViewQuery): string | undefined {
  return regions === 'all' ? undefined : regionLabel(text)
}
