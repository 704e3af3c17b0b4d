import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { makeDemoBam } from '../../examples/demo/make-bam.ts'
import { createBamReader, createFileSource, decodeBamRecord, formatSamRecord, readRecordCore } from '../../src/index.ts'
import { compatSuite } from './support/compat-suite.ts'
import { expectRun } from './support/expect-run.ts'
import type { Registered, World } from './support/world.ts'

const region = { name: 'chr2', start: 99_999, end: 150_000 }

let bam: Registered

async function fillStore(world: World): Promise<void> {
  const made = await makeDemoBam({ path: join(world.folder, 'demo.bam'), targetBytes: 2_000_000, seed: 7 })
  const [file, index] = await world.register('TEST-CA', [made.path, made.indexPath])
  if (file === undefined || index === undefined) throw new Error('the demo files were not registered')
  bam = file
  for (const { path, objectId, md5 } of [file, index]) await world.score(['upload', '--file', path, '--object-id', objectId, '--md5', md5])
  await world.score(['publish', file.analysisId, '--study', 'TEST-CA'])
}

/** The first four columns, which no other program formats in its own way. */
function placeOf(line: string): string {
  return line.split('\t').slice(0, 4).join('\t')
}

/** The specification gives the tags of a read no order. */
function sortTags(line: string): string {
  const fields = line.split('\t')
  return [...fields.slice(0, 11), ...fields.slice(11).sort()].join('\t')
}

/** Reads of the region, by going through all of the local file. */
async function expectedPlaces(): Promise<string[]> {
  const source = createFileSource(bam.path)
  try {
    const reader = createBamReader(source)
    const header = await reader.header()
    const places: string[] = []
    for await (const { bytes } of reader.records()) {
      const core = readRecordCore(new DataView(bytes.buffer, bytes.byteOffset, bytes.length))
      if (header.references[core.referenceId]?.name !== region.name) continue
      if (core.end > region.start && core.position < region.end) places.push(placeOf(formatSamRecord(decodeBamRecord(bytes), header)))
    }
    return places
  } finally {
    await source.close()
  }
}

compatSuite(
  'original client: view',
  (test) => {
    test('the header of a BAM', async (world) => {
      const run = await world.original(['view', '--object-id', bam.objectId, '--header-only'])
      expectRun(run, 0, '')
      const lines = run.stdout.trimEnd().split('\n')
      assert.is(lines.filter((line) => line.startsWith('@SQ\t')).length, 26)
      assert.ok(lines.every((line) => line.startsWith('@')))
    })

    test('a region, through the index', async (world) => {
      const query = `${region.name}:${region.start + 1}-${region.end}`
      // Without --output-original-header it dies on every BAM whose @PG has a short id, such as bwa.
      const run = await world.original(['view', '--object-id', bam.objectId, '--query', query, '--output-original-header'])
      expectRun(run, 0, '')
      const places = run.stdout
        .trimEnd()
        .split('\n')
        .filter((line) => !line.startsWith('@'))
        .map(placeOf)
      const expected = await expectedPlaces()
      assert.ok(expected.length > 50, `${expected.length} reads`)
      assert.equal(places, expected)
    })

    test('the same query by our score view and by the original gives the same reads', async (world) => {
      const queries = ['chr2:100000-150000', 'chr1', 'chrM:1-2000']
      for (const asked of [queries.slice(0, 1), queries]) {
        for (const contained of [[], ['--contained']]) {
          const args = ['view', '--object-id', bam.objectId, '--query', ...asked, '--output-original-header', ...contained]
          const theirs = await world.original(args)
          expectRun(theirs, 0, '')
          const ours = await world.score(args)
          const reads = (sam: string): string[] =>
            sam
              .trimEnd()
              .split('\n')
              .filter((line) => !line.startsWith('@'))
          assert.ok(reads(ours).length > 50)
          assert.equal(reads(ours).map(sortTags), reads(theirs.stdout).map(sortTags), args.join(' '))
        }
      }
    })

    test('files of both: the same names, reads and index', async (world) => {
      const args = ['view', '--object-id', bam.objectId, '--query', 'chr2:1-90000', 'chr3', '--output-original-header']
      const rest = ['--output-format', 'bam', '--output-index']
      expectRun(await world.original([...args, ...rest, '--output-dir', join(world.folder, 'theirs')]), 0, '')
      await world.score([...args, ...rest, '--output-dir', join(world.folder, 'ours')])
      const name = 'demo.chr2_1-90000__chr3.bam'
      assert.equal(readdirSync(join(world.folder, 'theirs')).sort(), ['demo.chr2_1-90000__chr3.bai', name])
      assert.equal(readdirSync(join(world.folder, 'ours')).sort(), [name, `${name}.bai`])
      const bytesOf = async (folder: string): Promise<Buffer> => {
        const source = createFileSource(join(world.folder, folder, name))
        const pieces: Buffer[] = []
        for await (const { bytes } of createBamReader(source).records()) pieces.push(Buffer.from(bytes))
        await source.close()
        return Buffer.concat(pieces)
      }
      const ours = await bytesOf('ours')
      assert.ok(ours.length > 10_000 && ours.equals(await bytesOf('theirs')))
    })
  },
  fillStore,
)
