/**
 * Slices of a generated BAM against samtools, which must be installed: `npm run bench:slice [-- BYTES]`; default 400 MB.
 *
 * Each case runs the whole of ours (a new slicer, nothing warm but the page cache) and samtools in turns, and checks that both
 * chose the same records. What is printed are medians and their ratio.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, open, rm, stat } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeDemoBam } from '../examples/demo/make-bam.ts'
import { createBamSlicer, createFileSource, type SliceOptions } from '../src/index.ts'

const bytes = Number(process.argv[2] ?? 400_000_000)
const rounds = 5
const folder = await mkdtemp(join(tmpdir(), 'score-bench-slice-'))

function median(times: readonly number[]): number {
  return [...times].sort((a, b) => a - b)[times.length >> 1] as number
}

function samtools(...args: readonly string[]): { readonly seconds: number; readonly output: Buffer } {
  const started = performance.now()
  const run = spawnSync('samtools', args, { maxBuffer: 2 ** 31 - 1 })
  if (run.status !== 0) throw new Error(`samtools ${args.join(' ')}: ${run.error?.message ?? run.stderr}`)
  return { seconds: (performance.now() - started) / 1000, output: run.stdout }
}

async function ours(path: string, regions: readonly string[], out: string, options: SliceOptions): Promise<number> {
  const started = performance.now()
  const sources = { data: createFileSource(path), index: createFileSource(`${path}.bai`) }
  const file = await open(out, 'w')
  for await (const piece of createBamSlicer(sources).slice(regions, options)) await file.write(piece)
  await Promise.all([file.close(), sources.data.close(), sources.index.close()])
  return (performance.now() - started) / 1000
}

function recordsOf(path: string): string {
  return createHash('md5')
    .update(samtools('view', '--no-PG', path).output)
    .digest('hex')
}

interface Case {
  readonly name: string
  readonly regions: readonly string[]
  readonly options?: SliceOptions
  readonly theirs: readonly string[]
}

/** Short regions spread over the first chromosome. */
function targets(count: number): string[] {
  return Array.from({ length: count }, (_, at) => {
    const start = Math.floor((at * 480_000) / count) + 1
    return `chr1:${start}-${start + 19}`
  })
}

try {
  const path = join(folder, 'demo.bam')
  const made = await makeDemoBam({ path, targetBytes: bytes })
  console.log(
    `${(made.sizeBytes / 1e6).toFixed(0)} MB, ${made.records} records; ${availableParallelism()} processors, Node ${process.version}`,
  )
  console.log(samtools('--version').output.toString().split('\n')[0])
  const middle = 'chr1:100001-460000'
  const all = ['chr1', 'chr2', 'chr3', 'chr4', 'chr5', 'chr6', 'chr7', 'chr8', 'chr9', 'chr10']
  const cases: readonly Case[] = [
    { name: 'a thin region', regions: ['chr1:200001-202000'], theirs: ['-b'] },
    { name: 'a wide region', regions: [middle], theirs: ['-b'] },
    { name: 'a wide region, their level 1', regions: [middle], theirs: ['-b', '-1'] },
    { name: 'a wide region, their two threads', regions: [middle], theirs: ['-b', '-@2'] },
    { name: 'a wide region, verified', regions: [middle], theirs: ['-b'], options: { verify: true } },
    { name: 'ten chromosomes', regions: all, theirs: ['-b'] },
    { name: '100 targets', regions: targets(100), theirs: ['-b', '-M'] },
    { name: '5000 targets', regions: targets(5000), theirs: ['-b', '-M'] },
    { name: 'a wide region as SAM', regions: [middle], theirs: ['-h', '--no-PG'], options: { format: 'sam', header: 'original' } },
  ]
  for (const { name, regions, options = {}, theirs } of cases) {
    const times = { ours: [] as number[], theirs: [] as number[] }
    const [mine, other] = [join(folder, 'ours'), join(folder, 'theirs')]
    const count = name === 'ten chromosomes' ? 3 : rounds
    for (let round = 0; round < count; round += 1) {
      times.ours.push(await ours(path, regions, mine, options))
      times.theirs.push(samtools('view', ...theirs, '-o', other, path, ...regions).seconds)
    }
    if (recordsOf(mine) !== recordsOf(other)) throw new Error(`${name}: other records than samtools`)
    const [fast, slow] = [median(times.ours), median(times.theirs)]
    const size = (await stat(mine)).size
    console.log(
      `${name}: ${(size / 1e6).toFixed(1)} MB  ours ${fast.toFixed(3)} s  samtools ${theirs.join(' ')} ${slow.toFixed(3)} s  ${(slow / fast).toFixed(1)}x`,
    )
  }
  console.log(`peak memory ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MiB`)
} finally {
  await rm(folder, { recursive: true })
}
