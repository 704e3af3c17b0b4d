import * as assert from 'uvu/assert'
import { createMemorySource } from '../../src/bytes/memory-source.ts'
import { createBamReader } from '../../src/formats/bam-reader.ts'
import type { ArrayTagType, BamRecord, BamTag } from '../../src/formats/bam-record.ts'
import { decodeBamRecord, encodeBamRecord } from '../../src/formats/bam-record-codec.ts'
import { type CigarOperation, cigarCodes } from '../../src/formats/cigar.ts'
import { formatSamRecord } from '../../src/formats/sam-text.ts'
import { createSamTextWriter } from '../../src/formats/sam-text-writer.ts'
import { suite } from '../support/suite.ts'
import { createRandom, everyTag, fixtureHeader, makeBam, type Random, randomRecord, sortedRecords } from './bam-fixture.ts'

const textBytes = 1024

const made: Buffer[] = []
const writer = createSamTextWriter({ header: fixtureHeader, textBytes, onText: (text) => void made.push(text) })

function written(bytes: Uint8Array): string {
  writer.add(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, bytes.length, () => 'here')
  writer.flush()
  return Buffer.concat(made.splice(0)).toString('latin1')
}

function reference(bytes: Uint8Array): string {
  return `${formatSamRecord(decodeBamRecord(bytes, 'here'), fixtureHeader)}\n`
}

function outcome(run: () => string): string {
  try {
    return run()
  } catch (error) {
    return `thrown: ${String(error)}`
  }
}

const ranges: Record<Exclude<ArrayTagType, 'f'>, readonly [number, number]> = {
  c: [-128, 127],
  C: [0, 255],
  s: [-32_768, 32_767],
  S: [0, 65_535],
  i: [-(2 ** 31), 2 ** 31 - 1],
  I: [0, 2 ** 32 - 1],
}

/** Every magnitude as likely as any other, the borders among them. */
function randomNumber(random: Random, type: ArrayTagType): number {
  if (type === 'f') return Math.fround((random.unit() - 0.5) * 10 ** (random.below(60) - 30))
  const [least, most] = ranges[type]
  const drawn = random.pick([least, most, 0, Math.floor((random.unit() < 0.5 ? least : most) * 10 ** -random.below(11) * random.unit())])
  return Math.min(most, Math.max(least, drawn))
}

function randomTag(random: Random, name: string): BamTag {
  const type = random.pick(['A', 'Z', 'H', 'B', 'c', 'C', 's', 'S', 'i', 'I', 'f'] as const)
  const text = (alphabet: string, length: number): string => Array.from({ length }, () => alphabet[random.below(alphabet.length)]).join('')
  if (type === 'A') return { name, type, value: text('!~aZ09', 1) }
  if (type === 'Z') return { name, type, value: text(' !~:,\\aZ09', random.below(40)) }
  if (type === 'H') return { name, type, value: text('0123456789ABCDEF', random.below(20) * 2) }
  if (type !== 'B') return { name, type, value: randomNumber(random, type) }
  const elementType = random.pick(['c', 'C', 's', 'S', 'i', 'I', 'f'] as const)
  return { name, type, elementType, value: Array.from({ length: random.below(12) }, () => randomNumber(random, elementType)) }
}

/** Numbers and tags of any size; what the fixture's records vary comes with them. */
function wildRecord(random: Random): BamRecord {
  const record = randomRecord(random, { referenceId: random.below(6) - 1, position: randomNumber(random, 'i') % 2 ** 31 })
  return {
    ...record,
    position: Math.max(-1, record.position),
    name: 'n'.repeat(1 + random.below(254)),
    flags: random.below(0x1_0000),
    mateReferenceId: random.below(6) - 1,
    matePosition: Math.max(-1, randomNumber(random, 'i')),
    templateLength: randomNumber(random, 'i'),
    tags: Array.from({ length: random.below(6) }, (_, at) => randomTag(random, `X${at}`)),
  }
}

suite('SAM lines out of bytes', (test) => {
  test('5,000 records of every kind are the lines that the plain formatter makes', () => {
    const random = createRandom(29)
    for (let round = 0; round < 5000; round += 1) {
      const bytes = encodeBamRecord(round % 2 === 0 ? wildRecord(random) : randomRecord(random, { referenceId: 0, position: round }))
      assert.is(written(bytes), reference(bytes), `round ${round}`)
    }
  })

  test('qualities of every number and sequences of every length', () => {
    const record = randomRecord(createRandom(3), { referenceId: 0, position: 5 })
    for (let length = 0; length < 300; length += 1) {
      const sequence = Array.from({ length }, (_, at) => '=ACMGRSVTWYHKDBN'[(at * 7 + length) % 16]).join('')
      const qualities = Uint8Array.from({ length }, (_, at) => (at === 0 ? length % 255 : (at + length) % 256))
      const bytes = encodeBamRecord({ ...record, cigar: [], sequence, qualities, tags: everyTag })
      assert.is(written(bytes), reference(bytes), `${length} bases`)
    }
  })

  test('a CIGAR in a CG tag, what only looks like one, and references that are unknown', () => {
    const record = randomRecord(createRandom(4), { referenceId: 0, position: 5 })
    const operation = (length: number, code: (typeof cigarCodes)[number]): CigarOperation => ({ length, code }) as CigarOperation
    const long = Array.from({ length: 66_000 }, (_, at) => operation(1, at % 2 === 0 ? 'M' : 'D'))
    const sequence = 'ACGT'.repeat(33_000 / 4)
    const placeholder = [operation(sequence.length, 'S'), operation(9, 'N')]
    const cg: BamTag = { name: 'CG', type: 'B', elementType: 'I', value: [] }
    const rows: readonly Partial<BamRecord>[] = [
      { cigar: long },
      { cigar: placeholder },
      { cigar: placeholder, tags: [cg] },
      { cigar: placeholder, tags: [{ ...cg, elementType: 'i' }] },
      { cigar: placeholder, tags: [{ name: 'CG', type: 'Z', value: 'x' }, cg] },
      { cigar: [], tags: [{ ...cg, value: [33] }] },
      { cigar: [...cigarCodes].filter((code) => !'MIS=X'.includes(code)).map((code) => operation(2 ** 28 - 1, code)) },
      { cigar: [], referenceId: 77, mateReferenceId: 77 },
      { cigar: [], referenceId: 2, mateReferenceId: 77 },
    ]
    for (const [row, change] of rows.entries()) {
      const fits = change.cigar?.some(({ code }) => code === 'H') ? { sequence: '' } : { sequence }
      const { qualities: _, ...bare } = record
      const bytes = encodeBamRecord({ ...bare, ...fits, ...change })
      assert.is(written(bytes), reference(bytes), `row ${row}`)
    }
  })

  test('a damaged record is refused with the words of the decoder, or read as it reads it', () => {
    const random = createRandom(31)
    let refused = 0
    for (let round = 0; round < 5000; round += 1) {
      const bytes = Uint8Array.from(encodeBamRecord(wildRecord(random)))
      const at = random.pick([12, 13, 16, 17, 20, 21, 22, 23, 36 + random.below(bytes.length - 36), random.below(bytes.length)])
      bytes[at] = random.below(256)
      const cut = random.below(5) === 0 ? bytes.slice(0, random.below(bytes.length)) : bytes
      const said = outcome(() => written(cut))
      assert.is(
        said,
        outcome(() => reference(cut)),
        `round ${round}`,
      )
      if (said.startsWith('thrown')) refused += 1
    }
    assert.ok(refused > 1000, `${refused} were refused`)
  })

  test('a text of many records, out of a file, and one longer than the room that was asked for', async () => {
    const random = createRandom(37)
    const records = sortedRecords(random, 500)
    const { bam } = await makeBam(records)
    const taken: Uint8Array[] = []
    const text = createSamTextWriter({ header: fixtureHeader, textBytes, onText: (piece) => void taken.push(piece) })
    for await (const { bytes } of createBamReader(createMemorySource(bam)).records())
      text.add(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, bytes.length)
    text.flush()
    assert.ok(taken.length > 10)
    const wanted = records.map((record) => `${formatSamRecord(decodeBamRecord(encodeBamRecord(record)), fixtureHeader)}\n`).join('')
    assert.ok(Buffer.concat(taken).toString('latin1') === wanted)
  })
})
