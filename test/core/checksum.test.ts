import * as assert from 'uvu/assert'
import { md5Hex, multipartEtag, normalizeMd5, unquoteEtag } from '../../src/core/checksum.ts'
import { isObjectId, requireObjectId, songObjectId } from '../../src/core/object-id.ts'
import { suite } from '../support/suite.ts'

/** Pairs of score-server.md 11: hex and base64 of one digest. */
const pairs = [
  ['2bdf4f6127a6971262c023a492e6fb27', 'K99PYSemlxJiwCOkkub7Jw=='],
  ['cebdd6af9b12933da261f0464acfd808', 'zr3Wr5sSkz2iYfBGSs/YCA=='],
  ['882f579c3ce2390bcac3278e4947ca22', 'iC9XnDziOQvKwyeOSUfKIg=='],
] as const

suite('checksum', (test) => {
  for (const [hex, base64] of pairs) {
    test(`${base64} is ${hex}`, () => {
      assert.is(normalizeMd5(base64), hex)
      assert.is(normalizeMd5(hex.toUpperCase()), hex)
      assert.is(normalizeMd5(`"${hex}"`), hex)
      assert.is(normalizeMd5(`W/"${hex}"`), hex)
    })
  }

  for (const odd of [undefined, null, '', '<missing>', 'd41d8cd98f00b204e9800998ecf8427e-7', 'not an md5', 'K99PYSemlxJiwCOkkub7Jw']) {
    test(`${odd} is no MD5`, () => assert.is(normalizeMd5(odd), undefined))
  }

  test('ETag of a multipart object', () => {
    const parts = [md5Hex('a'), md5Hex('b')]
    assert.is(multipartEtag(parts), '96e024ba2074fe77e8e965ba43a704be-2')
    assert.is(unquoteEtag('"abc-2"'), 'abc-2')
  })
})

suite('object id', (test) => {
  test("Song's ids, from its published documents and our recordings", () => {
    assert.is(songObjectId('4ab918ab-a6e9-4cc8-b918-aba6e98cc8b1', 'SP923412.cram'), '02732061-9daf-5a64-99f5-c550320c7916')
    assert.is(songObjectId('7c1f0e9a-52d8-4b6e-9f43-0d6a1be27c55', 'HG7731.tumour.bam'), 'b9bc9016-829d-5bfd-87fb-430b51dcb95e')
  })

  test('only canonical UUIDs', () => {
    assert.ok(isObjectId('5BE58FBB-775b-5259-bbbd-555e07fbdf24'))
    for (const bad of ['', '1-1-1-1-1', 'x', '5be58fbb-775b-5259-bbbd-555e07fbdf24 ', '../5be58fbb-775b-5259-bbbd-555e07fbdf24']) {
      assert.not.ok(isObjectId(bad), bad)
      assert.throws(() => requireObjectId(bad), /UUID/)
    }
  })
})
