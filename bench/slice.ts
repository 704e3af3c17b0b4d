/**
 * Slices of a generated BAM against samtools, which must be installed:
 *
 *   npm run bench:slice                                   600 MB are generated, 330 MB once deflated as usual; under 6 minutes
 *   npm run bench:slice -- --bytes 150000000 --rounds 3   a quick look, about 1 minute
 *   npm run bench:slice -- --only text,targets            only rows whose name has one of these words
 *   npm run bench:slice -- --folder /dev/shm              where the files lie; default: the system's folder for such
 *
 * Ours and theirs take turns, both write files, nothing is warm but the page cache and Node's compiled code; each row of ours is
 * a new slicer of the built package, but for the warm one, and where the name says so a process of its own. A row is printed only when both
 * made the same records (their count and the MD5 of their SAM text). Columns: seconds of ours and theirs as min/median/max; the
 * ratio of the medians, theirs to ours, with the least and greatest of a round; its floor (slicing.md 11, issue 7); processor
 * seconds of both, which on a busy machine say more. Prepare with `npm ci`; the script builds the package itself.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, open, rm, stat, writeFile } from 'node:fs/promises'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { makeDemoBam } from '../examples/demo/make-bam.ts'
import type { BamSlice, SliceOptions } from '../src/index.ts'
import { medianOf, type Row, recordsOf, report, run, timed } from './slice-measure.ts'

const { values } = parseArgs({
  options: {
    bytes: { type: 'string', default: '600000000' },
    rounds: { type: 'string', default: '5' },
    only: { type: 'string', default: '' },
    folder: { type: 'string', default: tmpdir() },
  },
})
/** Built, as users have it: from source, worker threads would compile it first. */
const built = new URL('../dist/index.js', import.meta.url).href
const { createBamSlicer, createFileSource, createHttpSource, encodeBai } = (await import(built)) as typeof import('../src/index.ts')
const rounds = Number(values.rounds)
/** samtools takes long to deflate all of these. */
const slowRounds = Math.min(2, rounds)
const chromosomes = Array.from({ length: 10 }, (_, at) => `chr${at + 1}`)
const chromosomeBases = 260_000
const wide = ['chr1:100001-460000']
const thin = ['chr1:200001-210000']

async function writeTo(path: string, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  const file = await open(path, 'w')
  for await (const piece of pieces) await file.write(piece)
  await file.close()
}

async function sliceFile(path: string, regions: readonly string[], out: string, options: SliceOptions): Promise<BamSlice> {
  const [data, index] = [createFileSource(path), createFileSource(`${path}.bai`)]
  const slice = createBamSlicer({ data, index }).slice(regions, options)
  await writeTo(out, slice)
  await Promise.all([data.close(), index.close()])
  return slice
}

async function sliceRemote(url: string, regions: readonly string[], out: string): Promise<void> {
  const [data, index] = [url, `${url}.bai`].map((one) => createHttpSource({ url: async () => ({ url: one }) })) as [
    ReturnType<typeof createHttpSource>,
    ReturnType<typeof createHttpSource>,
  ]
  await writeTo(out, createBamSlicer({ data, index }).slice(regions))
  await Promise.all([data.close(), index.close()])
}

/** Short regions spread over ten chromosomes. */
function targets(count: number): string[] {
  const step = (chromosomeBases * chromosomes.length) / count
  return chromosomes.flatMap((name) =>
    Array.from({ length: count / chromosomes.length }, (_, at) => `${name}:${Math.floor(at * step) + 1}-${Math.floor(at * step) + 20}`),
  )
}

function bedOf(regions: readonly string[]): string {
  const line = (region: string): string => region.replace(/:(\d+)-(\d+)$/, (_, from, to) => `\t${Number(from) - 1}\t${to}\n`)
  return regions.map(line).join('')
}

async function rowsOf(folder: string, path: string, url: string): Promise<Row[]> {
  const [mine, other] = [join(folder, 'ours'), join(folder, 'theirs')]
  const same = (): string => {
    const [a, b] = [recordsOf(mine), recordsOf(other)]
    if (a !== b) throw new Error(`other records than theirs: ${a} where they have ${b}`)
    return a
  }
  const samtools = (flags: readonly string[], from: string, regions: readonly string[]) => () =>
    run('samtools', ['view', ...flags, '-o', other, from, ...regions])
  const local = (name: string, regions: readonly string[], flags: readonly string[], floor: number, options: SliceOptions = {}): Row => ({
    name,
    against: `samtools ${flags.join(' ')}`,
    floor,
    rounds: regions === chromosomes && flags[0] === '-b' ? slowRounds : rounds,
    ours: () => timed(() => sliceFile(path, regions, mine, options)),
    theirs: samtools(flags, path, regions),
    same,
  })
  const panel = async (count: number, floor: number, level: number): Promise<Row> => {
    const bed = join(folder, `${count}.bed`)
    await writeFile(bed, bedOf(targets(count)))
    return {
      ...local(`${count} targets, our level ${level}`, targets(count), ['-b'], floor, { level }),
      against: 'samtools -b -M -L',
      rounds: count > 1000 ? slowRounds : rounds,
      theirs: samtools(['-b', '-M', '-L', bed], path, []),
    }
  }
  const remote = (name: string, regions: readonly string[], floor: number): Row => ({
    ...local(name, regions, ['-b'], floor),
    ours: () => timed(() => sliceRemote(url, regions, mine)),
    // It leaves the index where it runs.
    theirs: samtools(['-b'], `${url}##idx##${url}.bai`, regions),
  })
  const warm = createBamSlicer({ data: createFileSource(path), index: createFileSource(`${path}.bai`) })
  await warm.header()
  const text: SliceOptions = { format: 'sam', header: 'original' }
  return [
    { ...local('10 kb, in a warm process', thin, ['-b'], 1), ours: () => timed(() => writeTo(mine, warm.slice(thin))) },
    local('wide region', wide, ['-b'], 8),
    local('wide region', wide, ['-b', '-@2'], 5),
    local('wide region', wide, ['-b', '-1'], 2.5),
    local('wide region, verified', wide, ['-b'], 1, { verify: true }),
    remote('wide region, 20 ms away', wide, 4),
    local('ten chromosomes', chromosomes, ['-b'], 40),
    {
      ...local('ten chromosomes', chromosomes, [], 0.5),
      against: 'dd',
      rounds,
      theirs: () => run('dd', [`if=${mine}`, `of=${other}`, 'bs=1M', 'status=none']),
    },
    await panel(100, 0.5, 6),
    await panel(10_000, 1.5, 1),
    local('text of ten chromosomes', chromosomes, ['-h', '--no-PG'], 1, text),
    local('text of ten chromosomes', chromosomes, ['-h', '--no-PG', '-@2'], 0.6, text),
    {
      ...local('text of ten chromosomes, a process each', chromosomes, ['-h', '--no-PG'], 1),
      ours: async () => runProduct(path, mine, text),
    },
  ]
}

/** What the index of a slice costs, of the time that the slice takes. */
async function reportIndex(folder: string, path: string): Promise<void> {
  const shares: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    let slice: BamSlice | undefined
    const { seconds } = await timed(async () => {
      slice = await sliceFile(path, chromosomes, join(folder, 'ours'), {})
    })
    const started = performance.now()
    await writeFile(join(folder, 'ours.bai'), encodeBai((slice as BamSlice).sliceIndex()))
    shares.push((performance.now() - started) / 10 / seconds)
  }
  console.log(`index of that slice: ${medianOf(shares).toFixed(1)} % of its time (at most 5 %)`)
}

/** A slice by the built package in a process of its own. */
function runProduct(path: string, out: string, options: SliceOptions): ReturnType<typeof run> {
  const task = { package: built, path, regions: chromosomes, out, options }
  return run(process.execPath, [fileURLToPath(new URL('slice-product.mjs', import.meta.url)), JSON.stringify(task)], 'pipe')
}

function reportPeak(path: string, out: string, format: 'bam' | 'sam'): void {
  const { output } = runProduct(path, out, { format })
  console.log(`peak memory of a process that slices ten chromosomes as ${format}: ${output.toString().trim()} MiB (at most 200)`)
}

async function serve(folder: string): Promise<{ readonly url: string; readonly end: () => void }> {
  const script = fileURLToPath(new URL('latency-server.ts', import.meta.url))
  const child = spawn(process.execPath, ['--import', 'tsx', script, folder, '20'], { stdio: ['pipe', 'pipe', 'inherit'] })
  const [port] = (await once(child.stdout, 'data')) as [Buffer]
  return { url: `http://127.0.0.1:${port.toString().trim()}/reads.bam`, end: () => child.stdin.end() }
}

async function benchmark(): Promise<void> {
  const folder = await mkdtemp(join(values.folder, 'score-bench-slice-'))
  const server = await serve(folder)
  try {
    const [raw, path] = [join(folder, 'raw.bam'), join(folder, 'reads.bam')]
    const made = await makeDemoBam({ path: raw, targetBytes: Number(values.bytes) })
    // The demo's file is deflated in haste; sequencing centres and samtools do it at level 6.
    run('samtools', ['view', '-b', '-@2', '--no-PG', '-o', path, raw])
    run('samtools', ['index', path])
    await rm(raw)
    const size = (await stat(path)).size
    console.log(
      `${(size / 1e6).toFixed(0)} MB, ${made.records} records; ${availableParallelism()} x ${cpus()[0]?.model}, Node ${process.version}`,
    )
    console.log(
      `${run('samtools', ['--version'], 'pipe').output.toString().split('\n')[0]}; ${rounds} rounds, ${slowRounds} where it is slow\n`,
    )
    console.log('| slice | ours, s | theirs, s | ratio | floor | processor, s | records |\n|---|---|---|---|---|---|---|')
    const words = values.only.split(',')
    const wanted = (await rowsOf(folder, path, server.url)).filter(({ name }) => words.some((word) => name.includes(word)))
    const missed: string[] = []
    for (const row of wanted) if (!(await report(row))) missed.push(`${row.name} against ${row.against}`)
    console.log(
      `\n${wanted.length - missed.length} of ${wanted.length} floors are met${missed.map((row) => `\nbelow its floor: ${row}`).join('')}\n`,
    )
    if (values.only !== '') return
    await reportIndex(folder, path)
    for (const format of ['bam', 'sam'] as const) reportPeak(path, join(folder, 'ours'), format)
  } finally {
    server.end()
    await rm(folder, { recursive: true })
  }
}

await benchmark()
