import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { access } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { makeDemoBam } from './make-bam.ts'
import { readMounted } from './mounted-read.ts'
import { describeExit, type ScoreEvent, type ScoreExit, type ScoreRunner } from './score-process.ts'

export interface StoryOptions {
  readonly score: ScoreRunner
  /** Empty folder for everything: the BAM, the server's data, the download. */
  readonly folder: string
  readonly bamBytes: number
  /** Told each line of the story. */
  readonly say: (line: string) => void
  readonly signal: AbortSignal
}

export interface StoryEnd {
  readonly objectId: string
  readonly parts: number
  readonly uploadKept: number
  readonly downloadKept: number
  readonly md5: string
  /** Reads of the slice that was cut out of the stored object. */
  readonly slicedReads: number
}

interface MovedFile {
  readonly objectId: string
  readonly path: string
  readonly bytesMoved: number
  readonly seconds: number
  readonly partsMoved: number
  readonly partsKept: number
}

/** Parts that must be safe before the process is killed. */
export const partsBeforeKill = 4
/** The first attempts are slowed and narrowed: on a fast disk they would be over before anyone could kill them. */
const slowly = ['--max-rate', '100M', '--parallel', '2']
const study = 'DEMO'
/** What is cut out of the stored object: from the middle of one chromosome, and all of another. */
const regions = ['chr2:100,000-300,000', 'chrM']

const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1)

async function md5Of(path: string): Promise<string> {
  const hash = createHash('md5')
  for await (const piece of createReadStream(path, { highWaterMark: 1024 * 1024 })) hash.update(piece as Uint8Array)
  return hash.digest('hex')
}

async function isThere(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  )
}

/** The files of the `summary` event, by name. */
function summaryOf(exit: ScoreExit): ReadonlyMap<string, MovedFile> {
  const summary = exit.events.findLast(({ type }) => type === 'summary')
  const files = (summary?.['files'] ?? []) as readonly MovedFile[]
  return new Map(files.map((file) => [basename(file.path), file]))
}

function isPublished(exit: ScoreExit): boolean {
  return exit.events.some((event) => event.type === 'summary' && event['published'] === true)
}

function fileIn(summary: ReadonlyMap<string, MovedFile>, name: string): MovedFile {
  const file = summary.get(name)
  if (!file) throw new Error(`the summary of the command says nothing of ${name}; it names ${[...summary.keys()].join(', ') || 'no file'}`)
  return file
}

/** Starts a transfer and kills its process with SIGKILL once enough parts of the BAM are through. */
async function killMidway(
  score: ScoreRunner,
  args: readonly string[],
): Promise<{ readonly objectId: string; readonly parts: number; readonly moved: number }> {
  let objectId: string | undefined
  let parts = 0
  let moved = 0
  const watch = (event: ScoreEvent, kill: () => void): void => {
    if (event.type === 'started' && typeof event['totalParts'] === 'number' && event['totalParts'] > partsBeforeKill) {
      objectId = String(event['objectId'])
      parts = event['totalParts']
    }
    if (event.type !== 'part' || event['objectId'] !== objectId || event['outcome'] !== 'moved') return
    moved += 1
    if (moved === partsBeforeKill) kill()
  }
  const exit = await score.start(args, (event, process) => watch(event, () => process.kill('SIGKILL'))).ended
  if (exit.signal !== 'SIGKILL')
    throw new Error(`'score ${args[0]}' was to be killed after ${partsBeforeKill} parts, but ${describeExit(exit)}`)
  if (objectId === undefined) throw new Error(`'score ${args[0]}' moved parts of a file that it had not named`)
  return { objectId, parts, moved }
}

async function serve(score: ScoreRunner, dataFolder: string, signal: AbortSignal): Promise<string> {
  return await new Promise<string>((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    const server = score.start(['serve', '--data', dataFolder, '--port', '0', '--json'], (event) => {
      if (event.type === 'ready') resolve(String(event['url']))
    })
    server.ended.then((exit) => reject(new Error(`'score serve' ${describeExit(exit)}`)), reject)
  })
}

function requireKept(what: string, kept: number, moved: number, parts: number): void {
  if (kept < partsBeforeKill) throw new Error(`the ${what} kept ${kept} parts where ${partsBeforeKill} had been safe before the kill`)
  if (kept + moved !== parts) throw new Error(`the ${what} counts ${kept} parts kept and ${moved} moved, of ${parts}`)
}

/**
 * The main job under trouble: make a BAM, serve, upload, kill, resume, download, kill, resume, compare; then slice the stored
 * object from afar, and count; then mount it and have samtools read it.
 *
 * @throws when a step does not do what it promises.
 */
export async function tellStory(options: StoryOptions): Promise<StoryEnd> {
  const { score, folder, say, signal } = options
  const bam = await make(options)
  const names = [basename(bam.path), basename(bam.indexPath)] as const
  const dataFolder = join(folder, 'data')
  say(`Serve      ${await serve(score, dataFolder, signal)} (storage, catalogue and signed URLs in one process)`)
  const local = ['--data', dataFolder, '--json']

  const upload = ['upload', '--study', study, bam.path, bam.indexPath, ...local]
  const first = await killMidway(score, [...upload, ...slowly])
  signal.throwIfAborted()
  say(`Upload     killed with SIGKILL after ${first.moved} of ${first.parts} parts`)
  const sent = await score.run(upload)
  signal.throwIfAborted()
  const uploaded = fileIn(summaryOf(sent), names[0])
  requireKept('upload', uploaded.partsKept, uploaded.partsMoved, first.parts)
  if (!isPublished(sent)) throw new Error("the resumed upload ended well, but its summary doesn't say that the analysis is published")
  say(
    `           same command again: ${uploaded.partsKept} parts kept, ${uploaded.partsMoved} sent at ${rate(uploaded)}; published with its index`,
  )

  const outputFolder = join(folder, 'download')
  const download = ['download', '--object-id', first.objectId, '--output-dir', outputFolder, ...local]
  const cut = await killMidway(score, [...download, ...slowly])
  signal.throwIfAborted()
  const target = join(outputFolder, names[0])
  if (await isThere(target)) throw new Error(`the killed download left ${target}, a file that is not whole under its final name`)
  say(`Download   killed with SIGKILL after ${cut.moved} of ${cut.parts} parts; no half file under the final name`)
  const got = await score.run(download)
  signal.throwIfAborted()
  const downloaded = fileIn(summaryOf(got), names[0])
  requireKept('download', downloaded.partsKept, downloaded.partsMoved, cut.parts)
  say(
    `           same command again: ${downloaded.partsKept} parts kept, ${downloaded.partsMoved} fetched at ${rate(downloaded)}; its index came with it`,
  )

  const md5 = await compare(bam.path, target)
  say(`MD5        ${md5}  ${names[0]}`)
  say(`           ${await compare(bam.indexPath, join(outputFolder, names[1]))}  ${names[1]}`)
  say('           both the same before and after')
  const slicedReads = await sliceStored(first.objectId, bam.path, local, options)
  say(`Mount      ${await readMounted({ score, folder, objectId: first.objectId, original: bam.path, local })}`)
  return {
    objectId: first.objectId,
    parts: first.parts,
    uploadKept: uploaded.partsKept,
    downloadKept: downloaded.partsKept,
    md5,
    slicedReads,
  }
}

/** Cuts regions out of the object in the store, and counts their reads in the file that was uploaded. @throws when they differ. */
async function sliceStored(
  objectId: string,
  original: string,
  local: readonly string[],
  { score, folder, say, signal }: StoryOptions,
): Promise<number> {
  const args = ['view', '--object-id', objectId, '--query', ...regions, '--output-format', 'bam', '--output-index', '--output-dir']
  const { value: exit, seconds } = await timed(() => score.run([...args, join(folder, 'slices'), ...local]))
  signal.throwIfAborted()
  const [slice] = (exit.events.at(-1)?.['files'] ?? []) as readonly { readonly path: string; readonly bytes: number }[]
  if (!slice) throw new Error('the summary of score view names no file')
  const inSlice = await countReads(score, slice.path, [])
  const inFile = (await Promise.all(regions.map((region) => countReads(score, original, [region])))).reduce((sum, count) => sum + count, 0)
  signal.throwIfAborted()
  if (inSlice !== inFile) throw new Error(`the slice of ${regions.join(' and ')} has ${inSlice} reads, the file has ${inFile} there`)
  say(
    `Slice      ${regions.join(' and ')} out of the stored object: ${mebibytes(slice.bytes)} MiB with its index in ${seconds.toFixed(1)} s`,
  )
  say(`           ${inSlice} reads, as many as the file that was uploaded has there`)
  return inSlice
}

async function countReads(score: ScoreRunner, path: string, of: readonly string[]): Promise<number> {
  const { events } = await score.run(['view', path, ...of, '--count', '--json'])
  return Number(events.at(-1)?.['reads'])
}

async function make({ folder, bamBytes, say, signal }: StoryOptions): Promise<Awaited<ReturnType<typeof makeDemoBam>>> {
  const { value: bam, seconds } = await timed(() => makeDemoBam({ path: join(folder, 'demo.bam'), targetBytes: bamBytes, signal }))
  say(
    `Make       demo.bam, ${mebibytes(bam.sizeBytes)} MiB, ${bam.records} reads in coordinate order, and its index, in ${seconds.toFixed(1)} s`,
  )
  return bam
}

async function compare(source: string, copy: string): Promise<string> {
  const [before, after] = await Promise.all([md5Of(source), md5Of(copy)])
  if (before !== after) throw new Error(`${basename(source)} has MD5 ${before}, what came back has ${after}`)
  return before
}

/** Of the moved parts, over the transfer's whole time: looking through the kept ones and checksums count. */
function rate({ bytesMoved, seconds }: MovedFile): string {
  return `${(bytesMoved / 2 ** 20 / seconds).toFixed(0)} MiB/s`
}

async function timed<Value>(work: () => Promise<Value>): Promise<{ readonly value: Value; readonly seconds: number }> {
  const started = performance.now()
  const value = await work()
  return { value, seconds: (performance.now() - started) / 1000 }
}
