/**
 * Cuts regions out of a BAM file, here or behind a URL that takes ranged reads, writes the slice and its index, and
 * counts the reads of each region. In a project of your own: `score-sdk`.
 *
 * Run it: `npx tsx examples/slice-region.ts IN.bam|URL IN.bam.bai|URL OUT.bam REGION...`
 */
import { createWriteStream } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { type ByteSource, createBamSlicer, createCachedSource, createFileSource, createHttpSource, encodeBai } from '../src/index.ts'

const [input = '', index = '', output = '', ...regions] = process.argv.slice(2)

function open(place: string): ByteSource {
  return /^https?:/.test(place) ? createHttpSource({ url: async () => ({ url: place }) }) : createFileSource(place)
}

const data = createCachedSource(open(input))
const indexFile = open(index)
const slicer = createBamSlicer({ data, index: indexFile }, { name: input.replace(/\?.*/, '') })

const slice = slicer.slice(regions, { header: { commandLine: 'examples/slice-region.ts' } })
try {
  await pipeline(slice, createWriteStream(output))
} catch (error) {
  await rm(output, { force: true })
  throw error
}
await writeFile(`${output}.bai`, encodeBai(slice.sliceIndex()))

for (const region of regions) console.log(`${region}\t${await slicer.count([region])}`)
await Promise.all([data.close(), indexFile.close()])
