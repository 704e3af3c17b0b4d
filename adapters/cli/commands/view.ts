import { resolve } from 'node:path'
import type { BamSlice, CramSlice, PlainOutputOptions, RegionSelection, ScoreError } from '../../../src/index.ts'
import type { CommandValues, Run } from '../command-run.ts'
import type { CommandContext } from '../context.ts'
import { isScoreErrorLike } from '../error-report.ts'
import { formatBytes, formatElapsed, plural, printable } from '../format.ts'
import { packageVersion } from '../package-version.ts'
import { createReadProgress, type ReadProgress } from '../read-progress.ts'
import { openViewInputs, type ViewInput } from '../view-inputs.ts'
import { outputName } from '../view-names.ts'
import { type WrittenReads, writeToFile, writeToStdout } from '../view-output.ts'
import { labelOf, readViewRequest, type ViewRequest } from '../view-request.ts'

interface View {
  readonly values: CommandValues<'view'>
  readonly request: ViewRequest
  readonly inputs: readonly ViewInput[]
  readonly options: Omit<PlainOutputOptions, 'format'>
  readonly progress: ReadProgress
  readonly context: CommandContext
}

/** One output. */
interface ViewJob {
  readonly inputs: readonly ViewInput[]
  readonly regions: RegionSelection
  readonly label: string | undefined
}

interface FailedInput {
  readonly input: string
  readonly error: ScoreError
}

/** Failures that the next input would meet too. */
const ofAll = new Set(['local-storage', 'unauthenticated', 'internal'])

async function sliceOptions(values: CommandValues<'view'>, context: CommandContext): Promise<View['options']> {
  const { redactText } = await import('../../../src/index.ts')
  const { program, argv, strict, signal } = context
  const { contained, headerOnly, outputOriginalHeader, scan, verify } = values
  const maker = {
    id: 'score',
    name: strict ? 'Score Client' : 'score-sdk',
    version: packageVersion(),
    commandLine: redactText([program, ...argv].join(' ')),
  }
  return { contained, scan, verify, signal, header: outputOriginalHeader || headerOnly ? 'original' : maker }
}

async function sliceOf({ inputs, regions }: ViewJob, { values, request, options }: View): Promise<BamSlice | CramSlice> {
  const { mergeSlices } = await import('../../../src/index.ts')
  const { format } = request
  const [first] = inputs as readonly [ViewInput]
  // CRAM of several inputs was refused before.
  if (format === 'cram') return first.slicer.slice(regions, { ...options, format, ...(values.exact && { exact: true }) })
  return values.outputType === 'merged'
    ? mergeSlices(inputs, regions, { ...options, format })
    : first.slicer.slice(regions, { ...options, format })
}

/** Tells the progress how much there is to read. */
async function announce({ inputs, regions }: ViewJob, { values, request, options, progress, context }: View): Promise<void> {
  if (!context.output.json && !context.output.showsProgress) return
  const { contained, scan } = values
  const { format } = request
  const { signal } = options
  for (const { slicer } of inputs) {
    const { read } = await slicer.plan(regions, { format, contained, scan, ...(signal && { signal }) })
    progress.expect(read.reduce((sum, { start, end }) => sum + end - start, 0))
  }
}

async function runJob(job: ViewJob, directory: string, view: View): Promise<WrittenReads> {
  const { values, request, context } = view
  const { strict } = context
  await announce(job, view)
  const [first] = job.inputs as readonly [ViewInput]
  const isMerged = values.outputType === 'merged'
  const name = outputName({
    input: isMerged ? 'merged' : first.name,
    label: job.label,
    format: request.format,
    strict: strict && !isMerged,
    ...(!isMerged && first.mark !== undefined && { mark: first.mark }),
  })
  const target = {
    path: resolve(directory, name),
    inputs: job.inputs.map(({ path }) => path),
    withIndex: values.outputIndex && request.format !== 'sam',
    isCram: request.format === 'cram',
  }
  return writeToFile(await sliceOf(job, view), target, context)
}

function jobsOf({ values, request, inputs }: View): ViewJob[] {
  const { regions, label, queries } = request
  if (values.outputType === 'merged') return [{ inputs, regions, label }]
  if (values.outputType === 'trimmed') return inputs.map((input) => ({ inputs: [input], regions, label }))
  return inputs.flatMap((input) => queries.map((query) => ({ inputs: [input], regions: query.regions, label: labelOf(query) })))
}

async function writeFiles(view: View, outputDir: string): Promise<number> {
  const { makeFolder, runPool, problems } = await import('../../../src/index.ts')
  const { values, context } = view
  const { output, signal, strict, cwd, now } = context
  const directory = resolve(cwd, outputDir)
  await makeFolder(directory)
  const began = now()
  const written: (WrittenReads & { readonly input: string })[] = []
  const failures: FailedInput[] = []
  const jobs = jobsOf(view)
  await runPool(
    jobs,
    async (job, call) => {
      const input = job.inputs.map(({ name }) => name).join(' ')
      try {
        // A signal of its own, as every job waits for several things at a time.
        const signal = AbortSignal.any([call.signal])
        const file = await runJob(job, directory, { ...view, options: { ...view.options, signal } })
        written.push({ input, ...file })
        const superset = file.exact ? '' : ', whole containers: other reads are in it too (--exact)'
        if (!strict) output.say(`${printable(file.path)}: ${formatBytes(file.bytes)}${superset}`)
      } catch (error) {
        if (strict || jobs.length === 1 || call.signal.aborted || !isScoreErrorLike(error) || ofAll.has(error.code)) throw error
        failures.push({ input, error })
        output.event({ type: 'failed', input, code: error.code, message: error.message })
        output.error(`${printable(input)}: ${error.message}`)
      }
    },
    { concurrency: strict ? 1 : Math.max(1, values.files), signal },
  )
  const seconds = (now() - began) / 1000
  output.event({ type: 'summary', files: written, failed: failures.length, seconds })
  const bytes = written.reduce((sum, file) => sum + file.bytes, 0)
  if (!strict && jobs.length > 1)
    output.say(`${written.length} of ${plural(jobs.length, 'file')} done: ${formatBytes(bytes)} in ${formatElapsed(seconds)}`)
  if (failures.length === 0) return 0
  const codes = new Set(failures.map(({ error }) => problems[error.code].exitCode))
  return written.length === 0 && codes.size === 1 ? (codes.values().next().value as number) : 8
}

async function writeCounts({ request, inputs, values, context }: View): Promise<number> {
  const { output, signal } = context
  const { contained, scan } = values
  for (const { name, slicer } of inputs) {
    for (const { text, regions } of request.queries) {
      const reads = await slicer.count(regions, { contained, scan, signal })
      output.event({ type: 'count', input: name, region: text, reads })
      if (!output.json) output.data(`${inputs.length > 1 ? `${printable(name)}\t` : ''}${text}\t${reads}\n`)
    }
  }
  return 0
}

async function runView(view: View): Promise<number> {
  const { values, request, inputs, context } = view
  const { output, strict } = context
  if (values.count) return writeCounts(view)
  if (!request.toStdout) return writeFiles(view, values.outputDir as string)
  const job = { inputs, regions: request.regions, label: undefined }
  // Lines of progress would stand among the reads on a terminal.
  if (!(context.stdout as { readonly isTTY?: boolean }).isTTY && !strict) await announce(job, view)
  await writeToStdout(await sliceOf(job, view), context)
  output.clearProgressLine()
  return 0
}

export const run: Run<'view'> = async (values, args, context) => {
  const { output, strict } = context
  const request = await readViewRequest(values, args, context)
  if (strict && !values.stdout) output.say('Viewing...')
  const options = await sliceOptions(values, context)
  const progress = createReadProgress(context)
  try {
    const { inputs, close } = await openViewInputs(request, values, (name, count) => progress.read(count, name), context)
    try {
      const exitCode = await runView({ values, request, inputs, options, progress, context })
      if (strict && exitCode === 0 && !request.toStdout) output.say('Done')
      return exitCode
    } finally {
      await close()
    }
  } finally {
    progress.stop()
  }
}
