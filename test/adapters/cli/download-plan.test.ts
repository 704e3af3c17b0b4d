import * as assert from 'uvu/assert'
import { type DownloadPlan, findEntities, type OutputLayout, planDownload } from '../../../adapters/cli/download-plan.ts'
import { indexOf } from '../../../adapters/cli/index-of.ts'
import { type Entity, ScoreError, safeFileName } from '../../../src/index.ts'
import { suite } from '../../support/suite.ts'

const entity = (objectId: string, fileName: string, analysisId = 'AN1'): Entity => ({
  objectId,
  fileName,
  analysisId,
  study: 'S',
  access: 'open',
})

/** What of the siblings is the index of the first name; `wide` is what `score` sees beyond the original. */
const indexes: readonly {
  readonly file: string
  readonly siblings: readonly string[]
  readonly original?: string
  readonly wide?: string
}[] = [
  { file: 'a.bam', siblings: ['a.bam.bai'], original: 'a.bam.bai', wide: 'a.bam.bai' },
  { file: 'a.bam', siblings: ['A.BAM.BAI'], original: 'A.BAM.BAI', wide: 'A.BAM.BAI' },
  { file: 'a.cram', siblings: ['a.cram.bai', 'a.cram.crai'], original: 'a.cram.crai', wide: 'a.cram.crai' },
  { file: 'v.vcf.gz', siblings: ['v.vcf.gz.tbi'], original: 'v.vcf.gz.tbi', wide: 'v.vcf.gz.tbi' },
  { file: 'v.vcf.gz', siblings: ['v.vcf.gz.idx'], original: 'v.vcf.gz.idx', wide: 'v.vcf.gz.idx' },
  { file: 'a.bam', siblings: ['a.bai'], wide: 'a.bai' },
  { file: 'a.bam', siblings: ['a.bam.csi'], wide: 'a.bam.csi' },
  { file: 'a.bam', siblings: ['b.bam.bai'] },
  { file: 'a.txt', siblings: ['a.bai'] },
]

const plan = (entities: readonly Entity[], layout: OutputLayout): DownloadPlan =>
  planDownload(entities, { directory: '/d', layout, safeName: safeFileName })

suite('download plan', (test) => {
  for (const { file, siblings, original, wide } of indexes) {
    test(`index of ${file} among ${siblings.join(', ')}`, () => {
      const held = siblings.map((name, index) => entity(`id-${index}`, name))
      assert.is(indexOf(entity('x', file), held, false)?.fileName, original)
      assert.is(indexOf(entity('x', file), held, true)?.fileName, wide)
    })
  }

  const a = entity('1', 'a.bam')
  const again = entity('2', 'a.bam', 'AN2')

  test('layouts', () => {
    const paths = (layout: 'bundle' | 'filename' | 'id'): string[] => plan([a], layout).targets.map(({ path }) => path)
    assert.equal(paths('filename'), ['/d/a.bam'])
    assert.equal(paths('bundle'), ['/d/AN1/a.bam'])
    assert.equal(paths('id'), ['/d/1'])
  })

  test('two files of one name: the second is left out, with the original’s words, but not from the layouts that can hold both', () => {
    const both = plan([a, again], 'filename')
    assert.equal(
      both.targets.map(({ objectId }) => objectId),
      ['1'],
    )
    assert.equal(both.warnings, [
      "File 'a.bam' (with object id '1') already scheduled for download. Omitting file with duplicate name (and object id '2')",
    ])
    for (const layout of ['bundle', 'id'] as const) {
      assert.is(plan([a, again], layout).targets.length, 2)
      assert.equal(plan([a, again], layout).warnings, [])
    }
  })

  test('a name that climbs out is refused; among several the others go on', () => {
    const bad = entity('9', '../x')
    assert.throws(() => plan([bad], 'filename'), /object 9 .*path separator/)
    assert.throws(() => plan([entity('9', 'x', '../../up')], 'bundle'), /the analysis of object 9/)
    assert.is(plan([bad], 'id').targets[0]?.path, '/d/9')
    const { targets, refused } = plan([bad, a], 'filename')
    assert.equal(
      targets.map(({ path }) => path),
      ['/d/a.bam'],
    )
    assert.is(refused[0]?.error.code, 'invalid-request')
  })

  test('each id with its index, in order, once; an analysis is listed once', async () => {
    const held = [a, entity('3', 'a.bam.bai'), entity('4', 'b.bam'), entity('5', 'b.bam.bai')]
    let listings = 0
    const metadata = {
      entity: (objectId: string) => {
        const found = held.find((candidate) => candidate.objectId === objectId)
        return found ? Promise.resolve(found) : Promise.reject(new ScoreError('entity-not-found', `no object ${objectId}`))
      },
      async *entities() {
        listings++
        yield* held
      },
    }
    const ids = async (objectIds: readonly string[], index = true): Promise<string[]> =>
      (await findEntities({ metadata, objectIds, index, wide: false })).map(({ objectId }) => objectId)
    assert.equal(await ids(['4', '1', '3', '4']), ['4', '5', '1', '3'])
    assert.is(listings, 1)
    assert.equal(await ids(['1'], false), ['1'])
    assert.is(listings, 1)
    const failure = await ids(['1', 'gone']).catch((error: unknown) => error)
    assert.match(String(failure), /no object gone/)
  })
})
