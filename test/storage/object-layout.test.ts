import * as assert from 'uvu/assert'
import { createObjectLayout } from '../../src/storage/object-layout.ts'
import { parsePartState, partStateName } from '../../src/storage/part-state.ts'
import { suite } from '../support/suite.ts'

const id = '56f3cb04-38b4-574c-bffb-af1426113194'
const upload = { objectId: id, uploadId: '2~abc.DEF_-' }

/** Of score-server.md 3.4 and wire-vectors.md 6: id, pool, digits, suffix. */
const vectors: readonly (readonly [string, number, number, number])[] = [
  [id, 10, 2, 6],
  [id, 100, 2, 86],
  [id, 2000, 3, 1391],
  [id, 10, 3, 1],
  [id, 10, 7, 2],
  [id, 2, 1, 1],
  [id, 20, 1, 5],
  ['06f3cb04-38b4-574c-bffb-af1426113194', 100, 2, 6],
  ['a82efa12-38b4-574c-bffb-af1426113194', 16, 3, 2],
  ['00f3cb04-38b4-574c-bffb-af1426113194', 4, 2, 0],
  ['01f3cb04-38b4-574c-bffb-af1426113194', 4, 2, 1],
  ['02f3cb04-38b4-574c-bffb-af1426113194', 4, 2, 2],
  ['fef3cb04-38b4-574c-bffb-af1426113194', 4, 2, 2],
  ['03f3cb04-38b4-574c-bffb-af1426113194', 4, 2, 3],
  ['7ff3cb04-38b4-574c-bffb-af1426113194', 4, 2, 3],
]

suite('storage/object-layout', (test) => {
  for (const [objectId, poolSize, poolKeyLength, suffix] of vectors)
    test(`pool of ${poolSize} by ${poolKeyLength} digits: ${objectId.slice(0, 8)} goes to .${suffix}`, () => {
      const layout = createObjectLayout({ objectBucket: 'oicr.icgc', stateBucket: 'oicr.state', poolSize, poolKeyLength })
      assert.equal(layout.data(objectId), [
        { bucket: `oicr.icgc.${suffix}`, key: `data/${objectId}` },
        { bucket: 'oicr.icgc', key: `data/${objectId}` },
      ])
      assert.equal(layout.meta(objectId), [
        { bucket: `oicr.state.${suffix}`, key: `data/${objectId}.meta` },
        { bucket: 'oicr.state', key: `data/${objectId}.meta` },
      ])
      assert.is(layout.uploadsOf(objectId).bucket, `oicr.state.${suffix}`)
    })

  test('without a pool everything has one place', () => {
    const layout = createObjectLayout({ objectBucket: 'o', stateBucket: 's' })
    assert.equal(layout.data(id), [{ bucket: 'o', key: `data/${id}` }])
    assert.equal(layout.meta(id), [{ bucket: 's', key: `data/${id}.meta` }])
    assert.equal(layout.uploadsOf(id), { bucket: 's', key: `upload/${id}_` })
    assert.equal(layout.upload(upload), { bucket: 's', key: `upload/${id}_2~abc.DEF_-/` })
    assert.equal(layout.upload(upload, '.meta'), { bucket: 's', key: `upload/${id}_2~abc.DEF_-/.meta` })
    assert.equal(layout.sentinel, { bucket: 'o', key: 'data/heliograph' })
    assert.equal(layout.uploadRoots(), [{ bucket: 's', key: 'upload/' }])
    assert.equal(layout.dataRoots(), [{ bucket: 'o', key: 'data/' }])
  })

  test('the sentinel is outside of the pool; the roots name every bucket', () => {
    const layout = createObjectLayout({ objectBucket: 'o', stateBucket: 's', poolSize: 2, sentinel: 'here' })
    assert.equal(layout.sentinel, { bucket: 'o', key: 'data/here' })
    assert.equal(
      layout.dataRoots().map((root) => root.bucket),
      ['o.0', 'o.1', 'o'],
    )
    assert.equal(
      layout.uploadRoots().map((root) => root.bucket),
      ['s.0', 's.1', 's'],
    )
  })

  test('a blank data folder takes its slash along, a blank upload folder does not', () => {
    const layout = createObjectLayout({ objectBucket: 'o', stateBucket: 's', dataDirectory: ' ', uploadDirectory: '' })
    assert.equal(layout.data(id), [{ bucket: 'o', key: id }])
    assert.is(layout.meta(id)[0].key, `${id}.meta`)
    assert.is(layout.sentinel.key, 'heliograph')
    assert.is(layout.uploadsOf(id).key, `/${id}_`)
    assert.is(layout.objectIdOf(id), id)
  })

  const keys: readonly (readonly [string, string | undefined])[] = [
    [`data/${id}`, id],
    [`data/${id}.meta`, undefined],
    ['data/heliograph', undefined],
    ['data/1-1-1-1-1', undefined],
    [`data/x/${id}`, undefined],
    [`database/${id}`, undefined],
    [id, undefined],
  ]
  for (const [key, objectId] of keys)
    test(`'${key}' ${objectId ? 'is an object' : 'is none'}`, () =>
      assert.is(createObjectLayout({ objectBucket: 'o', stateBucket: 's' }).objectIdOf(key), objectId))

  const folders: readonly (readonly [string, string | undefined])[] = [
    [`upload/${id}_u_1/`, 'u_1'],
    [`upload/${id}_u_1/part-00000001|{}`, 'u_1'],
    [`upload/${id}_/`, undefined],
    ['upload/not-a-uuid_u/', undefined],
    [`data/${id}_u/`, undefined],
  ]
  for (const [key, uploadId] of folders)
    test(`'${key}' ${uploadId ? `belongs to upload ${uploadId}` : 'belongs to no upload'}`, () =>
      assert.is(createObjectLayout({ objectBucket: 'o', stateBucket: 's' }).uploadOf(key)?.uploadId, uploadId))

  for (const [poolSize, poolKeyLength] of [
    [-1, 2],
    [1.5, 2],
    [4, 0],
    [4, 8],
    [4, -1],
  ] as const)
    test(`a pool of ${poolSize} by ${poolKeyLength} digits is refused`, () =>
      assert.throws(() => createObjectLayout({ objectBucket: 'o', stateBucket: 's', poolSize, poolKeyLength }), /bucket\.size/))

  test('an id that is not hex has no place in a pool', () =>
    assert.throws(() => createObjectLayout({ objectBucket: 'o', stateBucket: 's', poolSize: 4 }).data('xyz'), /hex digits/))
})

suite('storage/part-state', (test) => {
  test('the name is the original’s to the letter', () =>
    assert.is(
      partStateName({ number: 17, md5: '900150983cd24fb0d6963f7d28e17f72', etag: '900150983cd24fb0d6963f7d28e17f72' }),
      'part-00000011|{"partNumber":17,"md5":"900150983cd24fb0d6963f7d28e17f72","etag":"900150983cd24fb0d6963f7d28e17f72"}',
    ))

  test('a name is read back', () => {
    const receipt = { number: 9999, md5: 'a', etag: 'b"|{' }
    assert.equal(parsePartState(partStateName(receipt)), receipt)
  })

  for (const name of [
    'part-00000001',
    'part-1|{"partNumber":1,"md5":"a","etag":"b"}',
    'part-0000000G|{"partNumber":1,"md5":"a","etag":"b"}',
    'part-00000002|{"partNumber":1,"md5":"a","etag":"b"}',
    'part-00000001|{"partNumber":1,"md5":"a"}',
    'part-00000001|{"partNumber":1,"md5":"a","etag":"b","more":1}',
    'part-00000001|{"partNumber":"1","md5":"a","etag":"b"}',
    'part-00000001|{"partNumber":1,"md5":null,"etag":"b"}',
    'part-00000001|[]',
    'part-00000001|',
  ])
    test(`'${name}' is refused by name`, () =>
      assert.throws(
        () => parsePartState(name),
        (error: Error) => error.message.includes(name),
      ))
})
