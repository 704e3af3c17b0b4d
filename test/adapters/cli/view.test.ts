import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { type BamRecord, createBamSlicer, createMemorySource, parseIndex, type Region } from '../../../src/index.ts'
import { fixtureHeader } from '../../formats/bam-fixture.ts'
import { encodeAll, fullScan } from '../../slice/slice-fixture.ts'
import { suite } from '../../support/suite.ts'
import type { Ended, RunOptions } from './cli-world.ts'
import { bodyOf, createReadsWorld, type ReadsWorld, readBam, type StoredReads, samLines } from './reads-world.ts'

let world: ReadsWorld
const query = 'ctgA:100,001-900,000'
const region: Region = { reference: 'ctgA', start: 100_000, end: 900_000 }

const stored = (name: string): StoredReads => world.reads[name] as StoredReads
const idOf = (name: string): string => stored(name).objectId
const inFolder = (...names: readonly string[]): string => join(world.folder, ...names)
const score = (args: readonly string[], options?: RunOptions): Promise<Ended> => world.run(['view', ...args], options)
const original = (args: readonly string[]): Promise<Ended> => score(args, { program: 'score-client', env: world.named })

async function done(running: Promise<Ended>): Promise<Ended> {
  const ended = await running
  assert.is(ended.code, 0, ended.stderr)
  return ended
}

function manifest(name: string, ids: readonly string[]): string {
  const rows = ids.map((id) => `\t\t${id}${'\t'.repeat(8)}`)
  writeFileSync(inFolder(name), `${['heading'.padEnd(7), ...Array.from({ length: 10 }, () => '')].join('\t')}\n${rows.join('\n')}\n`)
  return name
}

/** By place, and where that is the same in the order of the inputs. */
function together(...lists: readonly (readonly BamRecord[])[]): BamRecord[] {
  const key = ({ referenceId, position }: BamRecord): number => (referenceId < 0 ? 9e15 : referenceId * 1e10 + position)
  return lists.flat().sort((a, b) => key(a) - key(b))
}

suite('score view', (test) => {
  test.before(async () => {
    world = await createReadsWorld()
  })
  test.after(() => world.close())

  for (const name of ['a.bam', 'short.bam', 'wide.bam']) {
    test(`a region of ${name}, stored and here, by its index`, async () => {
      const wanted = samLines(fullScan(stored(name).records, [region]))
      assert.ok(wanted.length > 5000)
      for (const args of [
        ['--object-id', idOf(name), '--query', query],
        [idOf(name), query],
        ['--input-file', name, '--query', query],
        [name, query, '--verify'],
      ]) {
        const { stdout } = await done(score(args))
        assert.ok(bodyOf(stdout) === wanted, args.join(' '))
        assert.match(stdout, /\n@PG\tID:score\tPN:score-sdk\tPP:bwa\tVN:\S+\tCL:score view [^\n]+\n/)
      }
    })
  }

  test('the header alone, the original header, and all of a file', async () => {
    const { header, records } = stored('short.bam')
    assert.is((await done(score([idOf('short.bam'), '--header-only']))).stdout, header.text)
    assert.is((await done(score(['short.bam', '--output-original-header']))).stdout, header.text + samLines(records))
    assert.is(bodyOf((await done(score([idOf('bare.bam')]))).stdout), samLines(stored('bare.bam').records))
    const strict = await done(original(['--object-id', idOf('short.bam')]))
    assert.is(bodyOf(strict.stdout), '')
    assert.match(strict.stdout, /@PG\tID:score\tPN:Score Client\t/)
    assert.is((await done(original(['--header-only', '--object-id', idOf('short.bam'), '--stdout']))).stdout, header.text)
  })

  test('several regions, contained ones, reads without a place', async () => {
    const { records } = stored('a.bam')
    const regions = [region, { reference: 'HLA:A*01', start: 999, end: 90_000 }, { reference: '*', start: 0, end: 1 }]
    const { stdout } = await done(score(['--object-id', idOf('a.bam'), '--query', '{HLA:A*01}:1,000-90,000', `${query},*`]))
    assert.ok(bodyOf(stdout) === samLines(fullScan(records, regions)))
    const contained = await done(score(['a.bam', query, '--contained']))
    assert.ok(bodyOf(contained.stdout) === samLines(fullScan(records, [region], true)))
    const scanned = await done(score(['bare.bam', query, '--scan']))
    assert.ok(bodyOf(scanned.stdout) === samLines(fullScan(stored('bare.bam').records, [region])))
  })

  test('BAM files with their indexes: names, reads, queries, summary', async () => {
    const args = ['--object-id', idOf('wide.bam'), '--query', query, 'empty', '--output-format', 'bam', '--output-index', '--json']
    const { stdout } = await done(score([...args, '--output-dir', 'cut']))
    const path = inFolder('cut', 'wide.ctgA_100,001-900,000__empty.bam')
    assert.equal(readdirSync(inFolder('cut')).sort(), ['wide.ctgA_100,001-900,000__empty.bam', 'wide.ctgA_100,001-900,000__empty.bam.csi'])
    const summary = JSON.parse(stdout.trim().split('\n').at(-1) as string) as { readonly files: readonly object[] }
    assert.equal(summary.files, [{ input: 'wide.bam', path, bytes: readFileSync(path).length, exact: true, indexPath: `${path}.csi` }])
    const wanted = fullScan(stored('wide.bam').records, [region])
    assert.ok((await readBam(path)).bytes.equals(encodeAll(wanted)))
    const index = await parseIndex(readFileSync(`${path}.csi`))
    const slicer = createBamSlicer({ data: createMemorySource(readFileSync(path)), index })
    assert.is(await slicer.count(['ctgA:300001-400000']), fullScan(wanted, [{ reference: 'ctgA', start: 300_000, end: 400_000 }]).length)
    await done(
      original(['--object-id', idOf('a.bam'), '--query', query, '--output-format', 'BAM', '--output-index', '--output-dir', 'old']),
    )
    assert.equal(readdirSync(inFolder('old')).sort(), ['a.ctgA_100,001-900,000.bai', 'a.ctgA_100,001-900,000.bam'])
  })

  test('an index for what was scanned, and for all of a file', async () => {
    await done(score(['bare.bam', query, '--scan', '--output-format', 'bam', '--output-index', '--output-dir', 'scanned']))
    const wanted = fullScan(stored('bare.bam').records, [region])
    assert.is((await done(score(['scanned/bare.ctgA_100,001-900,000.bam', 'ctgA', '--count']))).stdout, `ctgA\t${wanted.length}\n`)
    await done(score(['a.bam', '--output-format', 'bam', '--output-index', '--output-dir', 'scanned']))
    assert.ok((await readBam(inFolder('scanned', 'a.bam'))).bytes.equals(encodeAll(stored('a.bam').records)))
    assert.is((await done(world.run(['idxstats', 'scanned/a.bam']))).stdout, (await done(world.run(['idxstats', 'a.bam']))).stdout)
  })

  test('a BED file with headers; a region each with cross', async () => {
    writeFileSync(
      inFolder('my.targets.bed'),
      '#comment\ntrack name=x\nbrowser position ctgA:1-2\nctgA\t100000\t200000\tname\nctgA\t500000\t600000\n\n',
    )
    const regions = [100_000, 500_000].map((start) => ({ reference: 'ctgA', start, end: start + 100_000 }))
    const { stdout } = await done(score(['a.bam', '--bed-query', 'my.targets.bed']))
    assert.ok(bodyOf(stdout) === samLines(fullScan(stored('a.bam').records, regions)))
    await done(score(['a.bam', '--bed-query', 'my.targets.bed', '--output-dir', 'bed']))
    await done(score(['a.bam', '--bed-query', 'my.targets.bed', '--output-type', 'cross', '--output-dir', 'bed']))
    assert.equal(readdirSync(inFolder('bed')).sort(), ['a.ctgA_100001-200000.sam', 'a.ctgA_500001-600000.sam', 'a.my.targets.bed.sam'])
    const second = readFileSync(inFolder('bed', 'a.ctgA_500001-600000.sam'), 'latin1')
    assert.ok(bodyOf(second) === samLines(fullScan(stored('a.bam').records, regions.slice(1))))
    writeFileSync(inFolder('none.bed'), '# nothing\n')
    const { code, stderr } = await score(['a.bam', '--bed-query', 'none.bed'])
    assert.is(code, 2)
    assert.match(stderr, /none\.bed: it names no region/)
  })

  test('a manifest: a file for each, one of all, and one for each region of each', async () => {
    const names = ['a.bam', 'short.bam', 'wide.bam']
    const bai = (await world.run(['ls', '--study-id', 'S'])).stdout.split('\n').find((line) => line.endsWith('\ta.bam.bai'))
    const list = manifest('all.tsv', [...names.map(idOf), bai?.split('\t')[0] ?? ''])
    const { stderr } = await done(score(['--manifest', list, '--query', query, '--output-dir', 'each', '--output-format', 'bam']))
    assert.match(stderr, /1 file of the manifest passed over/)
    for (const name of names) {
      const wanted = encodeAll(fullScan(stored(name).records, [region]))
      assert.ok((await readBam(inFolder('each', name.replace('.bam', '.ctgA_100,001-900,000.bam')))).bytes.equals(wanted), name)
    }
    const merged = ['--output-type', 'merged', '--output-format', 'bam', '--output-index', '--output-dir', 'one']
    await done(score(['--manifest', list, '--query', query, ...merged]))
    const all = together(...names.map((name) => fullScan(stored(name).records, [region])))
    const one = await readBam(inFolder('one', 'merged.ctgA_100,001-900,000.bam'))
    assert.ok(one.bytes.equals(encodeAll(all)))
    assert.equal(
      one.header.text.split('\n').filter((line) => line.startsWith('@RG') || line.startsWith('@CO')),
      ['@RG\tID:g1\tSM:s', '@RG\tID:g2\tSM:other', '@CO\tmade by a test'],
    )
    const counted = await done(score([`one/merged.ctgA_100,001-900,000.bam`, 'ctgA', '--count']))
    assert.is(counted.stdout, `ctgA\t${all.length}\n`)
    const streamed = await done(score(['--manifest', list, '--query', query, '--output-type', 'merged', '--stdout']))
    assert.ok(bodyOf(streamed.stdout) === samLines(all))
    await done(score(['--manifest', list, '--query', query, 'empty', '--output-type', 'cross', '--output-dir', 'crossed']))
    assert.is(readdirSync(inFolder('crossed')).length, 6)
    assert.is(bodyOf(readFileSync(inFolder('crossed', 'a.empty.sam'), 'latin1')), '')
  })

  test('counts, for people and for programs', async () => {
    const reads = fullScan(stored('a.bam').records, [region]).length
    const both = await done(score([idOf('a.bam'), query, '*', '--count']))
    assert.is(both.stdout, `${query}\t${reads}\n*\t${fullScan(stored('a.bam').records, [{ reference: '*', start: 0, end: 1 }]).length}\n`)
    const list = manifest('two.tsv', ['a.bam', 'short.bam'].map(idOf))
    const json = await done(score(['--manifest', list, '--count', '--json']))
    assert.equal(
      json.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
      ['a.bam', 'short.bam'].map((name) => ({ type: 'count', input: name, region: 'all', reads: stored(name).records.length })),
    )
  })

  test('some of several fail: the others are written, nothing of those is, exit code 8', async () => {
    const list = manifest('some.tsv', ['a.bam', 'cut.bam', 'stale.bam', 'bare.bam'].map(idOf))
    const { code, stderr } = await score(['--manifest', list, '--query', 'ctgA', '--output-format', 'bam', '--output-dir', 'some'])
    assert.is(code, 8)
    for (const says of [/ERROR: cut\.bam: /, /ERROR: stale\.bam: .*scan/, /ERROR: bare\.bam: .*no index/]) assert.match(stderr, says)
    assert.equal(readdirSync(inFolder('some')), ['a.ctgA.bam'])
    const first = await original(['--manifest', list, '--query', 'ctgA', '--output-format', 'bam', '--output-dir', 'first'])
    assert.is(first.code, 1)
    assert.equal(readdirSync(inFolder('first')), ['a.ctgA.bam'])
  })

  test('two objects of one name do not write over each other', async () => {
    mkdirSync(inFolder('again'))
    writeFileSync(inFolder('again', 'bare.bam'), readFileSync(inFolder('short.bam')))
    const sent = await done(world.run(['upload', '--study', 'T', 'again/bare.bam', '--allow-duplicates']))
    const other = sent.stdout.split('\t')[0] ?? ''
    const list = manifest('same.tsv', [idOf('bare.bam'), other])
    const { stderr } = await done(score(['--manifest', list, '--output-dir', 'same']))
    assert.match(stderr, /bare\.bam' comes more than once/)
    assert.equal(readdirSync(inFolder('same')).sort(), [`bare.${other}.sam`, 'bare.sam'].sort())
    assert.ok(bodyOf(readFileSync(inFolder('same', `bare.${other}.sam`), 'latin1')) === samLines(stored('short.bam').records))
  })

  interface Refused {
    readonly what: string
    readonly args: () => readonly string[]
    readonly says: RegExp
    readonly code?: number
    readonly strict?: true
  }
  const refused: readonly Refused[] = [
    { what: 'no input', args: () => [], says: /One of --object-id, --input-file or --manifest must be specified/ },
    { what: 'two inputs', args: () => ['a.bam', '--object-id', idOf('a.bam')], says: /give one of them/ },
    { what: 'a file that is not there', args: () => ['gone.bam'], says: /there is no file 'gone\.bam'/ },
    { what: 'an unknown object', args: () => ['11111111-2070-5761-9dad-a0efeed5315a'], says: /11111111/, code: 4 },
    { what: 'an unknown reference', args: () => [idOf('a.bam'), 'chrctgA:1-5'], says: /no reference 'chrctgA'; this file calls it 'ctgA'/ },
    { what: 'an unknown reference among known', args: () => ['a.bam', 'ctgA', 'chr9'], says: /no reference 'chr9'; this file has ctgA/ },
    { what: 'an end before the start', args: () => ['a.bam', 'ctgA:20-10'], says: /end comes before its start/ },
    { what: 'a region without an index', args: () => [idOf('bare.bam'), 'ctgA'], says: /bare\.bam: it has no index.*score index.*scan/ },
    { what: 'SAM text', args: () => ['text.sam'], says: /SAM text, not a BAM file/ },
    { what: 'stored SAM text', args: () => [idOf('text.sam')], says: /SAM text, not a BAM file/ },
    { what: 'an index that is of another file', args: () => [idOf('stale.bam'), 'ctgA'], says: /index.*scan/ },
    {
      what: 'something else for an index',
      args: () => ['--input-file', 'a.bam', '--input-file-index', 'text.sam', '--query', 'ctgA'],
      says: /neither a BAI nor a CSI/,
    },
    { what: 'a file that was cut off', args: () => [idOf('cut.bam')], says: /EOF marker is missing/ },
    {
      what: 'a damaged middle, with --verify',
      args: () => ['flipped.bam', '--verify', '--output-format', 'bam', '--output-dir', 'broken'],
      says: /BGZF block at byte/,
    },
    { what: 'a stream of JSON and reads', args: () => ['a.bam', '--json'], says: /--json needs standard output/ },
    { what: 'an index without a file', args: () => ['a.bam', '--output-index', '--output-format', 'bam'], says: /give --output-dir/ },
    { what: 'many files into one stream', args: () => ['--manifest', 'all.tsv'], says: /give --output-dir, or --output-type merged/ },
    { what: 'cross into one stream', args: () => ['a.bam', 'ctgA', '--output-type', 'cross'], says: /give --output-dir/ },
    { what: 'a merged CRAM', args: () => ['a.bam', '--output-type', 'merged', '--output-format', 'cram'], says: /BAM or SAM/ },
    { what: 'the input as output', args: () => ['a.bam', '--output-format', 'bam', '--output-dir', '.'], says: /is the input itself/ },
    {
      what: 'no input, as the original',
      args: () => [],
      says: /^Starting\.\.\.\nERROR: Bad parameter\(s\): One of --object-id/,
      strict: true,
    },
    {
      what: 'a local file with --stdout, as the original',
      args: () => ['--input-file', 'a.bam', '--stdout'],
      says: /Bad parameter\(s\): Output to stdout only permitted with --object-id/,
      strict: true,
    },
    {
      what: 'a manifest without folder, as the original',
      args: () => ['--manifest', 'all.tsv'],
      says: /--output-dir must be specified when using --manifest/,
      strict: true,
    },
    {
      what: 'an unknown reference, mended',
      args: () => ['--object-id', idOf('a.bam'), '--query', 'chr9'],
      says: /no reference 'chr9'/,
      strict: true,
    },
    { what: 'no index, mended', args: () => ['--object-id', idOf('bare.bam'), '--query', 'ctgA'], says: /it has no index/, strict: true },
    { what: 'a positional, as the original', args: () => ['a.bam'], says: /Was passed main parameter 'a\.bam'/, strict: true },
  ]
  for (const { what, args, says, code = 2, strict } of refused) {
    test(`refused: ${what}`, async () => {
      const ended = await (strict ? original(args()) : score(args()))
      assert.is(ended.code, strict ? 1 : code, ended.stderr)
      assert.match(ended.stderr, says)
      assert.not(existsSync(inFolder('broken')) && readdirSync(inFolder('broken')).length > 0)
    })
  }

  test('the words of the original', async () => {
    const forced = await done(original(['--object-id', idOf('a.bam'), '--query', 'ctgA:1-1000', '--output-format', 'bam', '--stdout']))
    assert.match(forced.stderr, /When --stdout specified, output format forced to SAM\./)
    assert.ok(bodyOf(forced.stdout) === samLines(fullScan(stored('a.bam').records, [{ reference: 'ctgA', start: 0, end: 1000 }])))
    const files = await done(original(['--object-id', idOf('a.bam'), '--query', 'ctgA:1,000-9,000', '--output-dir', 'words']))
    for (const says of [/^Starting\.\.\.\n/, /^Validating repository connection\.\.\.$/m, /^Viewing\.\.\.$/m, /\nDone\n$/])
      assert.match(files.stderr, says)
    assert.equal(readdirSync(inFolder('words')), ['a.ctgA_1,000-9,000.sam'])
  })

  test('an index older than its file is told about', async () => {
    writeFileSync(inFolder('old.bam.bai'), readFileSync(inFolder('a.bam.bai')))
    writeFileSync(inFolder('old.bam'), readFileSync(inFolder('a.bam')))
    utimesSync(inFolder('old.bam.bai'), 1, 1)
    const { stderr } = await done(score(['old.bam', 'ctgA:1-100', '--count']))
    assert.match(stderr, /old\.bam\.bai is older than its file.*score index old\.bam/)
  })

  test('flagstat, idxstats, quickcheck and index, here and stored', async () => {
    const { records } = stored('a.bam')
    for (const input of ['a.bam', idOf('a.bam')]) {
      const flags = await done(world.run(['flagstat', input]))
      assert.match(flags.stdout, new RegExp(`^${records.length} \\+ 0 in total `))
      const counts = (await done(world.run(['idxstats', input]))).stdout
      assert.is(counts, (await done(world.run(['idxstats', '--scan', input]))).stdout)
      assert.is(counts.split('\n').length, fixtureHeader.references.length + 2)
      assert.is((await done(world.run(['quickcheck', input]))).stdout, `${input}\tok\n`)
    }
    const json = await done(world.run(['flagstat', '--json', 'a.bam']))
    assert.is(JSON.parse(json.stdout).counts.total.passed, records.length)
    rmSync(inFolder('a.bam.bai'))
    await done(world.run(['index', 'a.bam']))
    assert.is((await done(score(['a.bam', 'ctgA', '--count']))).stdout, (await done(score([idOf('a.bam'), 'ctgA', '--count']))).stdout)
    const made = await done(world.run(['index', '--json', '--index-format', 'csi', '--output', 'made.csi', idOf('bare.bam')]))
    assert.equal(JSON.parse(made.stdout).path, inFolder('made.csi'))
    const args = ['--input-file', 'bare.bam', '--input-file-index', 'made.csi', '--query', query, '--count']
    assert.is((await done(score(args))).stdout, `${query}\t${fullScan(stored('bare.bam').records, [region]).length}\n`)
    const checked = await world.run(['quickcheck', 'a.bam', 'cut.bam', 'gone.bam'])
    assert.is(checked.code, 8)
    assert.match(checked.stdout, /^a\.bam\tok\ncut\.bam\t.*EOF marker.*\ngone\.bam\t.*no file/)
    assert.is((await world.run(['quickcheck', 'cut.bam'])).code, 2)
    const silent = await world.run(['idxstats', 'bare.bam'])
    assert.is(silent.code, 2)
    assert.match(silent.stderr, /bare\.bam: it has no index/)
  })
})
