import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import type { AnalysisPayload } from '../../src/metadata/analysis-registry.ts'
import type { Catalogue, StoredObjectState } from '../../src/metadata/catalogue/catalogue.ts'
import { openCatalogue } from '../../src/metadata/catalogue/open-catalogue.ts'
import { metadataContract } from '../../src/testing.ts'
import { suite } from '../support/suite.ts'
import { payloadOf, rejects } from './submissions.ts'

interface Opened {
  readonly catalogue: Catalogue
  store(objectId: string, state: StoredObjectState): void
  close(): Promise<void>
}

async function open(): Promise<Opened> {
  const folder = await mkdtemp(join(tmpdir(), 'catalogue-'))
  const stored = new Map<string, StoredObjectState>()
  const catalogue = await openCatalogue({ folder, objectState: { describe: async (id) => stored.get(id) ?? { exists: false } } })
  return {
    catalogue,
    store: (objectId, state) => void stored.set(objectId, state),
    async close() {
      await catalogue.close()
      await rm(folder, { recursive: true })
    },
  }
}

suite('embedded catalogue', (test) => {
  for (const { name, run } of metadataContract('embedded', open)) test(name, run)
})

suite('embedded catalogue, in its own words', (test) => {
  let opened: Opened
  test.before(async () => {
    opened = await open()
    await opened.catalogue.ensureStudy('S-1')
  })
  test.after(() => opened.close())

  test('an analysis of files alone', async () => {
    const { catalogue, store } = opened
    const { analysisId } = await catalogue.submit('S-1', payloadOf('S-1', ['a.bam']))
    assert.is((await catalogue.analysis('S-1', analysisId)).type, 'fileSet')
    for (const { objectId, size, md5 } of await catalogue.files('S-1', analysisId)) store(objectId, { exists: true, size, md5 })
    await catalogue.publish('S-1', analysisId)
    assert.is(await catalogue.analysisState({ study: 'S-1', analysisId }), 'PUBLISHED')
  })

  test('each analysis type says what it needs', async () => {
    const types = await opened.catalogue.analysisTypes()
    const needs = Object.fromEntries(types.map((type) => [type.name, [...type.required].sort().join(' ')]))
    assert.equal(needs, {
      fileSet: 'analysisType files studyId',
      sequencingRead: 'analysisType experiment files studyId',
      variantCall: 'analysisType experiment files studyId',
    })
    assert.ok(types.every((type) => type.version === 1 && type.fileTypes.length === 0))
  })

  test('a name that no study may have', () => rejects(opened.catalogue.ensureStudy('a study'), 'invalid-request'))

  const [file] = payloadOf('S-1', ['b.bam'])['files'] as readonly Record<string, unknown>[]
  const refusals: readonly [what: string, change: AnalysisPayload, text: RegExp][] = [
    ['an unknown type', { analysisType: { name: 'nope' } }, /nope/],
    ['another study', { studyId: 'S-2' }, /S-2/],
    ['access in capitals', { files: [{ ...file, fileAccess: 'Open' }] }, /#\/files\/0\/fileAccess: .*open.*controlled/],
    ['a name with a blank', { files: [{ ...file, fileName: 'b c.bam' }] }, /#\/files\/0\/fileName: .*rename/],
  ]
  for (const [what, change, text] of refusals)
    test(`${what} is refused with what to do`, () =>
      rejects(opened.catalogue.submit('S-1', { ...payloadOf('S-1', ['b.bam']), ...change }), 'invalid-request', undefined, text))
})
