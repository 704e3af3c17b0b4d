/**
 * Slices of a generated CRAM against samtools, which must be installed: `npm run bench:slice:cram [-- PAIRS]`; default 1,500,000 pairs
 * of reads on a genome of 20 Mb.
 *
 * Each case runs the whole of ours (a new slicer, nothing warm but the page cache) and samtools in turns, and checks that the
 * region has the same number of reads in both. What is printed are medians and their ratio.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdtemp, open, rm, stat, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { type CramOutputOptions, createBamSlicer, createFastaReference, createFileSource, type PlainOutputOptions } from '../src/index.ts'

const pairs = Number(process.argv[2] ?? 1_500_000)
const rounds = 5
const genome = 20_000_000
const readLength = 150
const lineBases = 100
const reference = 'chr1'
const folder = await mkdtemp(join(tmpdir(), 'score-bench-cram-'))
const at = (name: string): string => join(folder, name)

/** A whole number from 0 to below `limit`, the same ones each time (mulberry32). */
function createDice(seed: number): (limit: number) => number {
  let state = seed
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit)
  }
}

const dice = createDice(20)
const bases = Buffer.alloc(genome, 'A')
for (let place = 0; place < genome; place += 1) bases[place] = 'ACGT'.charCodeAt(dice(4))

async function writeReference(): Promise<void> {
  const lines: string[] = [`>${reference}`]
  for (let place = 0; place < genome; place += lineBases) lines.push(bases.toString('latin1', place, place + lineBases))
  await writeFile(at('ref.fa'), `${lines.join('\n')}\n`)
  await writeFile(at('ref.fa.fai'), `${reference}\t${genome}\t${reference.length + 2}\t${lineBases}\t${lineBases + 1}\n`)
}

function readAt(place: number): { readonly sequence: string; readonly quality: string } {
  const sequence = Buffer.from(bases.subarray(place, place + readLength))
  for (let left = dice(3); left > 0; left -= 1) sequence[dice(readLength)] = 'ACGT'.charCodeAt(dice(4))
  const quality = Buffer.alloc(readLength)
  for (let base = 0; base < readLength; base += 1) quality[base] = '#,:FFFFF'.charCodeAt(dice(8))
  return { sequence: sequence.toString('latin1'), quality: quality.toString('latin1') }
}

function* samLines(): Generator<string> {
  const sum = createHash('md5').update(bases).digest('hex')
  yield `@HD\tVN:1.6\tSO:coordinate\n@SQ\tSN:${reference}\tLN:${genome}\tM5:${sum}\n@RG\tID:g1\tSM:s\n`
  const places: { readonly place: number; readonly mate: number; readonly number: number; readonly first: boolean }[] = []
  for (let number = 0; number < pairs; number += 1) {
    const place = dice(genome - 1000)
    const mate = place + 200 + dice(300)
    places.push({ place, mate, number, first: true }, { place: mate, mate: place, number, first: false })
  }
  places.sort((a, b) => a.place - b.place)
  for (const { place, mate, number, first } of places) {
    const { sequence, quality } = readAt(place)
    const length = Math.abs(mate - place) + readLength
    const fields = [
      `run1:1101:${number}`,
      first ? 99 : 147,
      reference,
      place + 1,
      60,
      `${readLength}M`,
      '=',
      mate + 1,
      first ? length : -length,
    ]
    yield `${[...fields, sequence, quality, 'RG:Z:g1', `AS:i:${140 + dice(10)}`].join('\t')}\n`
  }
}

function median(times: readonly number[]): number {
  return [...times].sort((a, b) => a - b)[times.length >> 1] as number
}

function samtools(...args: readonly string[]): { readonly seconds: number; readonly output: string } {
  const started = performance.now()
  const run = spawnSync('samtools', args, { cwd: folder, encoding: 'latin1', maxBuffer: 2 ** 31 - 1 })
  if (run.status !== 0) throw new Error(`samtools ${args.join(' ')}: ${run.error?.message ?? run.stderr}`)
  return { seconds: (performance.now() - started) / 1000, output: run.stdout }
}

async function ours(region: string, out: string, options: PlainOutputOptions | CramOutputOptions): Promise<number> {
  const started = performance.now()
  const sources = ['reads.cram', 'reads.cram.crai', 'ref.fa', 'ref.fa.fai'].map((name) => createFileSource(at(name)))
  const [data, index, fasta, fai] = sources as [(typeof sources)[0], (typeof sources)[0], (typeof sources)[0], (typeof sources)[0]]
  const file = await open(out, 'w')
  for await (const piece of createBamSlicer({ data, index, reference: createFastaReference({ fasta, fai }) }).slice([region], options))
    await file.write(piece)
  await Promise.all([file.close(), ...sources.map((source) => source.close())])
  return (performance.now() - started) / 1000
}

interface Case {
  readonly name: string
  readonly region: string
  readonly options: PlainOutputOptions | CramOutputOptions
  readonly theirs: readonly string[]
  /** At least so many times as fast. */
  readonly goal?: number
}

const cases: readonly Case[] = [
  { name: 'containers, 10 kb', region: 'chr1:10000001-10010000', options: { format: 'cram' }, theirs: ['-C'] },
  { name: 'containers, 1 Mb', region: 'chr1:10000001-11000000', options: { format: 'cram' }, theirs: ['-C'], goal: 8 },
  { name: 'containers, 1 Mb, verified', region: 'chr1:10000001-11000000', options: { format: 'cram', verify: true }, theirs: ['-C'] },
  { name: 'containers, 10 Mb', region: 'chr1:5000001-15000000', options: { format: 'cram' }, theirs: ['-C'] },
  { name: '1 Mb as SAM', region: 'chr1:10000001-11000000', options: { format: 'sam' }, theirs: ['-h'] },
  { name: '1 Mb as BAM', region: 'chr1:10000001-11000000', options: { format: 'bam' }, theirs: ['-b'] },
]

try {
  await writeReference()
  await pipeline(samLines(), createWriteStream(at('reads.sam')))
  samtools('view', '--no-PG', '-C', '-T', 'ref.fa', '-o', 'reads.cram', 'reads.sam')
  await rm(at('reads.sam'))
  samtools('index', 'reads.cram')
  console.log(
    `${((await stat(at('reads.cram'))).size / 1e6).toFixed(0)} MB, ${pairs * 2} reads; ${availableParallelism()} processors, Node ${process.version}`,
  )
  console.log(samtools('--version').output.split('\n')[0])
  for (const { name, region, options, theirs, goal } of cases) {
    const times = { ours: [] as number[], theirs: [] as number[] }
    const extension = options.format ?? 'bam'
    const [mine, other] = [`ours.${extension}`, `theirs.${extension}`] as const
    for (let round = 0; round < rounds; round += 1) {
      times.ours.push(await ours(region, at(mine), options))
      times.theirs.push(samtools('view', ...theirs, '-T', 'ref.fa', '-o', other, 'reads.cram', region).seconds)
    }
    // What a slice of containers has besides the region's reads does not count.
    const [start = 0, end = 0] = (region.split(':')[1] ?? '').split('-').map(Number)
    const readsOf = (file: string): string =>
      samtools('view', '-c', '-T', 'ref.fa', '-e', `pos<=${end} && endpos>=${start}`, file).output.trim()
    const reads = readsOf(mine)
    if (reads !== readsOf(other)) throw new Error(`${name}: ${reads} reads, samtools has ${readsOf(other)}`)
    const [fast, slow] = [median(times.ours), median(times.theirs)]
    const size = (await stat(at(mine))).size
    console.log(
      `${name}: ${reads} reads, ${(size / 1e6).toFixed(1)} MB  ours ${fast.toFixed(3)} s  samtools ${theirs.join(' ')} ${slow.toFixed(3)} s  ${(slow / fast).toFixed(1)}x${goal === undefined ? '' : ` (goal ${goal}x${slow / fast >= goal ? '' : ': MISSED'})`}`,
    )
  }
  console.log(`peak memory ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MiB`)
} finally {
  await rm(folder, { recursive: true })
}
