import * as assert from 'uvu/assert'
import {
  externalUrlFromJson,
  externalUrlToJson,
  objectInfoFromJson,
  objectInfoToJson,
  objectSpecFromJson,
  objectSpecToJson,
  signedSpecFromJson,
  uploadProgressFromJson,
  uploadProgressToJson,
} from '../../src/wire/object-spec-json.ts'
import { suite } from '../support/suite.ts'

const md5 = '882f579c3ce2390bcac3278e4947ca22'
const spec = {
  objectKey: 'data/x',
  objectId: 'x',
  uploadId: 'u',
  size: 15,
  md5,
  parts: [
    { number: 1, range: { start: 0, end: 10 }, url: 'http://s/1', md5 },
    { number: 2, range: { start: 10, end: 15 }, url: 'http://s/2' },
  ],
}

suite('wire/object-spec-json', (test) => {
  test('a spec has the original’s keys in its order, nulls written, sourceMd5 only where known', () =>
    assert.is(
      JSON.stringify(objectSpecToJson(spec)),
      `{"objectKey":"data/x","objectId":"x","uploadId":"u","parts":[{"partNumber":1,"partSize":10,"offset":0,"url":"http://s/1","md5":null,"sourceMd5":"${md5}"},{"partNumber":2,"partSize":5,"offset":10,"url":"http://s/2","md5":null}],"objectSize":15,"objectMd5":"${md5}"}`,
    ))

  test('without URL and MD5 there are nulls', () => {
    const { md5: _, ...bare } = spec
    const json = objectSpecToJson({ ...bare, parts: [{ number: 1, range: { start: 0, end: 15 } }] })
    assert.equal([json.objectMd5, json.parts[0]?.url], [null, null])
  })

  test('progress carries the MD5 of a held part twice', () =>
    assert.is(
      JSON.stringify(uploadProgressToJson(spec)),
      `{"objectId":"x","uploadId":"u","parts":[{"partNumber":1,"partSize":10,"offset":0,"url":"http://s/1","md5":"${md5}","sourceMd5":"${md5}"},{"partNumber":2,"partSize":5,"offset":10,"url":"http://s/2","md5":null}]}`,
    ))

  test('what is written is read back', () => {
    assert.equal(signedSpecFromJson(objectSpecToJson(spec), 'it'), spec)
    assert.equal(uploadProgressFromJson(uploadProgressToJson(spec), 'it'), { objectId: 'x', uploadId: 'u', parts: spec.parts })
    const info = { objectId: 'x', size: 5, lastModified: new Date(1_795_486_357_896) }
    assert.is(JSON.stringify(objectInfoToJson(info)), '{"id":"x","lastModified":1795486357896,"size":5}')
    assert.equal(objectInfoFromJson(objectInfoToJson(info), 'it'), info)
  })

  const spellings: readonly (readonly [unknown, string | undefined])[] = [
    [md5, md5],
    [md5.toUpperCase(), md5],
    ['iC9XnDziOQvKwyeOSUfKIg==', md5],
    ['<missing>', undefined],
    ['', undefined],
    [null, undefined],
    [undefined, undefined],
    [5, undefined],
  ]
  for (const [given, expected] of spellings)
    test(`an MD5 given as ${JSON.stringify(given)} is ${expected ?? 'absent'}`, () => {
      const json = {
        objectId: 'x',
        objectSize: 5,
        objectMd5: given,
        parts: [{ partNumber: 1, partSize: 5, offset: 0, url: 'u', sourceMd5: given }],
      }
      const read = objectSpecFromJson(json, 'it')
      assert.equal([read.md5, read.parts[0]?.md5], [expected, expected])
    })

  test('a part’s md5 counts in progress only; a spec’s is the whole file’s in Azure', () => {
    const parts = [{ partNumber: 1, partSize: 5, offset: 0, url: 'u', md5 }]
    assert.is(objectSpecFromJson({ objectId: 'x', objectSize: 5, parts }, 'it').parts[0]?.md5, undefined)
    assert.is(uploadProgressFromJson({ objectId: 'x', uploadId: 'u', parts }, 'it').parts[0]?.md5, md5)
  })

  const broken: readonly (readonly [string, unknown, RegExp])[] = [
    ['no object', [], /JSON object was expected, it is an array/],
    ['null', null, /it is null/],
    ['parts null', { objectId: 'x', objectSize: 5, parts: null }, /'parts' must be an array, it is null/],
    ['parts missing', { objectId: 'x', objectSize: 5 }, /'parts' must be an array/],
    ['size as text', { objectId: 'x', objectSize: '5', parts: [] }, /'objectSize' must be a whole number, it is a string/],
    ['size beyond exactness', { objectId: 'x', objectSize: 2 ** 60, parts: [] }, /'objectSize'/],
    ['a negative part', { objectId: 'x', objectSize: 5, parts: [{ partNumber: 1, partSize: -1, offset: 0, url: 'u' }] }, /impossible/],
    [
      'a part without URL',
      { objectId: 'x', objectSize: 5, parts: [{ partNumber: 1, partSize: 5, offset: 0, url: null }] },
      /part 1 has no URL/,
    ],
  ]
  for (const [name, json, message] of broken)
    test(`${name} is refused, naming the document`, () => {
      assert.throws(() => signedSpecFromJson(json, 'the answer of S'), message)
      assert.throws(() => signedSpecFromJson(json, 'the answer of S'), /^the answer of S can't be read|^(?=.*the answer of S)/)
    })

  test('an external spec as S3 services give it, and as Azure ones do', () => {
    const json = externalUrlToJson({ objectId: 'x', objectKey: 'data/x', url: 'http://s/x', md5 }, -1)
    assert.is(
      JSON.stringify(json),
      `{"objectKey":"data/x","objectId":"x","uploadId":"x","parts":[{"partNumber":1,"partSize":-1,"offset":0,"url":"http://s/x","md5":null}],"objectSize":-1,"objectMd5":"${md5}"}`,
    )
    assert.equal(externalUrlFromJson(json, 'it'), { objectId: 'x', objectKey: 'data/x', url: 'http://s/x', md5 })
    const azure = { ...json, parts: [{ ...json.parts[0], partSize: 77 }] }
    assert.is(externalUrlFromJson(azure, 'it').size, 77)
    assert.throws(() => externalUrlFromJson({ ...json, parts: [json.parts[0], json.parts[0]] }, 'it'), /one part was expected, there are 2/)
  })
})
