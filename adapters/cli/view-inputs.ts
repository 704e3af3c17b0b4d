import type { CommandValues } from './command-run.ts'
import { checkConnection } from './connection-check.ts'
import type { CommandContext } from './context.ts'
import { plural, printable } from './format.ts'
import { readDownloadIds } from './manifest-rows.ts'
import { openLocalReads, openStoredReads, type ReadsInput, type ReadsInputOptions } from './reads-input.ts'
import { refusal } from './refusal.ts'
import { openSession, type Session } from './session.ts'
import type { ViewRequest } from './view-request.ts'

/** An input and, where another one has its name, what sets it apart. */
export interface ViewInput extends ReadsInput {
  readonly mark?: string
}

export interface ViewInputs {
  readonly inputs: readonly ViewInput[]
  close(): Promise<void>
}

const entitiesAtOnce = 6
const readsName = /\.(bam|sam|cram)$/i

/** Two objects of one name would be written to one file. */
function markRepeats(inputs: readonly ReadsInput[], { output }: CommandContext): ViewInput[] {
  const seen = new Set<string>()
  return inputs.map((input) => {
    if (!seen.has(input.name) || input.objectId === undefined) {
      seen.add(input.name)
      return input
    }
    output.warn(`File '${printable(input.name)}' comes more than once: the output of object ${input.objectId} has that id in its name`)
    return { ...input, mark: input.objectId }
  })
}

async function storedInputs(
  objectIds: readonly string[],
  session: Session,
  options: Pick<ReadsInputOptions, 'together' | 'referenceFile'>,
  onBytes: (name: string, count: number) => void,
  context: CommandContext,
): Promise<ReadsInput[]> {
  const { runPool } = await import('../../src/index.ts')
  const inputs: ReadsInput[] = []
  await runPool(
    objectIds.entries(),
    async ([at, objectId], { signal }) => {
      let name = ''
      const input = await openStoredReads(objectId, session, context, { ...options, signal, onBytes: (count) => onBytes(name, count) })
      name = input.name
      inputs[at] = input
    },
    { concurrency: entitiesAtOnce, signal: context.signal },
  )
  return inputs
}

/** What a manifest lists and is no file of reads is passed over, as the original does. */
async function onlyReads(inputs: readonly ReadsInput[], manifest: string, { output }: CommandContext): Promise<ReadsInput[]> {
  const reads = inputs.filter(({ name }) => readsName.test(name))
  const others = inputs.filter((input) => !reads.includes(input))
  await Promise.all(others.map((input) => input.close()))
  if (reads.length === 0) throw refusal(`Manifest '${manifest}' lists no SAM, BAM or CRAM file`, { frame: 'plain', code: 'invalid-format' })
  if (others.length > 0) output.say(`${plural(others.length, 'file')} of the manifest passed over: not SAM, BAM or CRAM`)
  return reads
}

/** Opens all inputs; of objects, the catalogue is asked, and nothing is read yet. */
export async function openViewInputs(
  { source }: ViewRequest,
  values: CommandValues<'view'>,
  onBytes: (name: string, count: number) => void,
  context: CommandContext,
): Promise<ViewInputs> {
  const readTogether = (count: number): number => (values.outputType === 'merged' ? count : Math.min(count, Math.max(1, values.files)))
  if (source.kind === 'file') {
    const input = await openLocalReads({ file: source.path, index: source.index }, context, {
      referenceFile: values.referenceFile,
      onBytes: (count) => onBytes(source.path, count),
    })
    return { inputs: [input], close: input.close }
  }
  const session = await openSession(context)
  try {
    await checkConnection(values.verifyConnection, session, context)
    const ids = source.kind === 'objects' ? source.objectIds : await readDownloadIds(source.manifest, session, context)
    const objectIds = [...new Set(ids)]
    const options = { together: readTogether(objectIds.length), referenceFile: values.referenceFile }
    const stored = await storedInputs(objectIds, session, options, onBytes, context)
    const inputs = markRepeats(source.kind === 'manifest' ? await onlyReads(stored, source.manifest, context) : stored, context)
    return {
      inputs,
      async close() {
        await Promise.all(inputs.map((input) => input.close()))
        await session.close()
      },
    }
  } catch (error) {
    await session.close()
    throw error
  }
}
