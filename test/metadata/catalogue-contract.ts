import * as assert from 'uvu/assert'
import { isScoreError, type ProblemCode } from '../../src/core/errors.ts'
import { songObjectId } from '../../src/core/object-id.ts'
import type { AnalysisPayload, AnalysisRegistry } from '../../src/metadata/analysis-registry.ts'
import type { StoredObjectState } from '../../src/metadata/catalogue/catalogue.ts'
import type { Entity, MetadataService } from '../../src/metadata/metadata-service.ts'
import { type SongErrorId, songErrorId } from '../../src/metadata/song-error.ts'
import type { SuiteApi } from '../support/suite.ts'

/** A catalogue under test, and the store it asks before it publishes. */
export interface Subject {
  readonly catalogue: MetadataService & AnalysisRegistry
  readonly stored: Map<string, StoredObjectState>
  close(): Promise<void>
}

let counter = 0

export function md5Of(seed: number): string {
  return seed.toString(16).padStart(32, '0')
}

/** A payload that any catalogue with the type `fileSet` takes; each file has an MD5 of its own. */
export function payloadOf(
  study: string,
  names: readonly string[],
  extra: AnalysisPayload = {},
): AnalysisPayload & { readonly md5s: readonly string[] } {
  const md5s = names.map(() => md5Of(++counter))
  const files = names.map((fileName, index) => ({
    fileName,
    fileSize: 100 + index,
    fileMd5sum: md5s[index],
    fileType: 'BAM',
    fileAccess: 'controlled',
    dataType: 'Aligned Reads',
  }))
  const payload = { studyId: study, analysisType: { name: 'fileSet' }, files, ...extra }
  return Object.defineProperty(payload, 'md5s', { value: md5s }) as typeof payload & { readonly md5s: readonly string[] }
}

/** Fails unless `work` rejects with this code and, where given, with this of Song's errors. */
export async function rejects(work: Promise<unknown>, code: ProblemCode, errorId?: SongErrorId, text?: RegExp): Promise<void> {
  try {
    await work
  } catch (error) {
    assert.ok(isScoreError(error), `not a ScoreError: ${error instanceof Error ? error.stack : String(error)}`)
    assert.is(error.code, code, error.message)
    if (errorId !== undefined) assert.is(songErrorId(error), errorId, error.message)
    if (text !== undefined) assert.match(error.message, text)
    return
  }
  throw new Error(`resolved, ${code} was expected`)
}

async function listAll(entities: AsyncIterable<Entity>): Promise<Entity[]> {
  const all: Entity[] = []
  for await (const entity of entities) all.push(entity)
  return all
}

/** What every catalogue does, embedded or over HTTP. */
export function catalogueContract(test: SuiteApi<Record<string, unknown>>, open: () => Promise<Subject>): void {
  const on = (name: string, body: (subject: Subject) => Promise<void>): void =>
    test(name, async () => {
      const subject = await open()
      try {
        await body(subject)
      } finally {
        await subject.close()
      }
    })

  const submitted = async ({ catalogue }: Subject, names: readonly string[] = ['a.bam', 'a.bam.bai'], study = 'S-1') => {
    await catalogue.ensureStudy(study)
    const payload = payloadOf(study, names)
    const { analysisId } = await catalogue.submit(study, payload)
    return { study, analysisId, files: await catalogue.files(study, analysisId), md5s: payload.md5s }
  }
  const store = (
    { stored }: Subject,
    files: readonly { readonly objectId: string; readonly size: number; readonly md5: string }[],
  ): void => {
    for (const { objectId, size, md5 } of files) stored.set(objectId, { exists: true, size, md5 })
  }

  on('submits an analysis whose object ids follow the formula', async (subject) => {
    const { analysisId, study, files, md5s } = await submitted(subject)
    assert.equal(
      files.map((file) => file.objectId),
      [songObjectId(analysisId, 'a.bam'), songObjectId(analysisId, 'a.bam.bai')],
    )
    assert.equal(
      files.map(({ fileName, size, md5, access, type }) => ({ fileName, size, md5, access, type })),
      [
        { fileName: 'a.bam', size: 100, md5: md5s[0], access: 'controlled', type: 'BAM' },
        { fileName: 'a.bam.bai', size: 101, md5: md5s[1], access: 'controlled', type: 'BAM' },
      ],
    )
    const analysis = await subject.catalogue.analysis(study, analysisId)
    assert.is(analysis.state, 'UNPUBLISHED')
    assert.is(analysis.type, 'fileSet')
    assert.is(await subject.catalogue.studyOf(analysisId), study)
  })

  on('shows an object as entity and file, with state and study', async (subject) => {
    const { analysisId, study, files, md5s } = await submitted(subject)
    const objectId = files[0]?.objectId as string
    const entity = await subject.catalogue.entity(objectId)
    assert.equal(entity, { objectId, analysisId, fileName: 'a.bam', study, access: 'controlled' })
    assert.is(await subject.catalogue.analysisState(entity), 'UNPUBLISHED')
    assert.equal(await subject.catalogue.file(entity), { objectId, size: 100, md5: md5s[0] })
  })

  on('knows nothing of ids in another case, of other studies, of strangers', async (subject) => {
    const { analysisId, study, files } = await submitted(subject)
    const objectId = files[0]?.objectId as string
    await subject.catalogue.ensureStudy('S-2')
    await rejects(subject.catalogue.entity(objectId.toUpperCase()), 'entity-not-found', 'legacy.entity.not.found')
    await rejects(subject.catalogue.entity('not-a-uuid'), 'entity-not-found', 'legacy.entity.not.found')
    await rejects(subject.catalogue.analysisState({ study, analysisId: 'nope' }), 'analysis-not-found', 'analysis.id.not.found')
    await rejects(subject.catalogue.analysisState({ study: 'S-2', analysisId }), 'analysis-not-found', 'entity.not.related.to.study')
    await rejects(subject.catalogue.analysisState({ study: 'S-9', analysisId: 'x' }), 'analysis-not-found', 'study.id.does.not.exist')
    await rejects(subject.catalogue.studyOf('nope'), 'analysis-not-found', 'analysis.id.not.found')
    await rejects(subject.catalogue.files(study, 'nope'), 'analysis-not-found')
    assert.is(await subject.catalogue.file({ study, objectId: '00000000-0000-4000-8000-000000000000' }), undefined)
    assert.is(await subject.catalogue.file({ study: 'S-2', objectId }), undefined)
    assert.equal(await subject.catalogue.analyses('S-9', 'UNPUBLISHED'), [])
  })

  on('lists entities in order of id, filtered exactly', async (subject) => {
    const one = await submitted(subject, ['a.bam', 'b.bam', 'c.bam'])
    const two = await submitted(subject, ['a.bam'], 'S-2')
    const all = await listAll(subject.catalogue.entities())
    const ids = [...one.files, ...two.files].map((file) => file.objectId)
    assert.equal(
      all.map((entity) => entity.objectId),
      ids.sort(),
    )
    const names = async (filter: Parameters<MetadataService['entities']>[0]) =>
      (await listAll(subject.catalogue.entities(filter))).map((entity) => `${entity.study}/${entity.fileName}`).sort()
    assert.equal(await names({ study: 'S-2' }), ['S-2/a.bam'])
    assert.equal(await names({ analysisId: one.analysisId }), ['S-1/a.bam', 'S-1/b.bam', 'S-1/c.bam'])
    assert.equal(await names({ fileName: 'a.bam' }), ['S-1/a.bam', 'S-2/a.bam'])
    assert.equal(await names({ fileName: 'A.bam' }), [])
    assert.equal(await names({ study: 'S-1', analysisId: two.analysisId }), [])
    assert.equal(await names({ study: 's-1' }), [])
  })

  on('publishes once every object is stored as registered', async (subject) => {
    const { analysisId, study, files } = await submitted(subject)
    const publish = () => subject.catalogue.publish(study, analysisId)
    const [first, second] = files as [(typeof files)[0], (typeof files)[0]]
    await rejects(publish(), 'catalogue-conflict', 'missing.storage.objects', new RegExp(`${first.objectId}.*${second.objectId}`))
    store(subject, [first, { ...second, size: 7 }])
    await rejects(publish(), 'catalogue-conflict', 'mismatching.storage.object.sizes', new RegExp(second.objectId))
    store(subject, [first, { ...second, md5: md5Of(0xbad) }])
    await rejects(publish(), 'catalogue-conflict', 'mismatching.storage.object.checksums', new RegExp(second.objectId))
    assert.is((await subject.catalogue.analysis(study, analysisId)).state, 'UNPUBLISHED')
    store(subject, files)
    await publish()
    assert.is(await subject.catalogue.analysisState({ study, analysisId }), 'PUBLISHED')
    await publish()
    assert.equal(await subject.catalogue.analyses(study, 'UNPUBLISHED'), [])
  })

  on('publishes with an unknown MD5 only when told to, never with a wrong one', async (subject) => {
    const { analysisId, study, files } = await submitted(subject, ['a.bam'])
    const [file] = files as [(typeof files)[0]]
    subject.stored.set(file.objectId, { exists: true, size: file.size })
    await rejects(subject.catalogue.publish(study, analysisId), 'catalogue-conflict', 'mismatching.storage.object.checksums')
    await subject.catalogue.publish(study, analysisId, { ignoreUndefinedMd5: true })
    subject.stored.set(file.objectId, { exists: true, size: file.size, md5: md5Of(0xbad) })
    await rejects(
      subject.catalogue.publish(study, analysisId, { ignoreUndefinedMd5: true }),
      'catalogue-conflict',
      'mismatching.storage.object.checksums',
    )
  })

  on('does not publish while an upload of one of its objects is open', async (subject) => {
    const { analysisId, study, files } = await submitted(subject, ['a.bam'])
    const [file] = files as [(typeof files)[0]]
    subject.stored.set(file.objectId, { exists: true, size: file.size, md5: file.md5, uploadOpen: true })
    await rejects(subject.catalogue.publish(study, analysisId), 'catalogue-conflict', 'missing.storage.objects', /upload is open/)
  })

  on('walks the states; suppressed is final', async (subject) => {
    const { analysisId, study, files } = await submitted(subject, ['a.bam'])
    const state = () => subject.catalogue.analysisState({ study, analysisId })
    store(subject, files)
    await subject.catalogue.unpublish(study, analysisId)
    assert.is(await state(), 'UNPUBLISHED')
    await subject.catalogue.publish(study, analysisId)
    await subject.catalogue.unpublish(study, analysisId)
    assert.is(await state(), 'UNPUBLISHED')
    await subject.catalogue.publish(study, analysisId)
    await subject.catalogue.suppress(study, analysisId)
    assert.is(await state(), 'SUPPRESSED')
    await subject.catalogue.suppress(study, analysisId)
    await rejects(subject.catalogue.unpublish(study, analysisId), 'analysis-state', 'suppressed.state.transition')
    await rejects(subject.catalogue.publish(study, analysisId), 'analysis-state', 'suppressed.state.transition')
    subject.stored.clear()
    await rejects(subject.catalogue.publish(study, analysisId), 'analysis-state', 'suppressed.state.transition')
    assert.is(await state(), 'SUPPRESSED')
    assert.is((await listAll(subject.catalogue.entities({ analysisId }))).length, 1)
  })

  on('moves no analysis that is not there', async (subject) => {
    const { analysisId, study } = await submitted(subject, ['a.bam'])
    await subject.catalogue.ensureStudy('S-2')
    for (const verb of ['publish', 'unpublish', 'suppress'] as const) {
      await rejects(subject.catalogue[verb](study, 'nope'), 'analysis-not-found', 'analysis.id.not.found')
      await rejects(subject.catalogue[verb]('S-2', analysisId), 'analysis-not-found', 'entity.not.related.to.study')
      await rejects(subject.catalogue[verb]('S-9', 'nope'), 'analysis-not-found', 'study.id.does.not.exist')
    }
  })

  on('takes a content once, unless told otherwise', async (subject) => {
    await subject.catalogue.ensureStudy('S-1')
    await subject.catalogue.ensureStudy('S-2')
    const payload = payloadOf('S-1', ['a.bam'])
    const { analysisId } = await subject.catalogue.submit('S-1', payload)
    await rejects(subject.catalogue.submit('S-1', payload), 'catalogue-conflict', 'info.already.exists')
    await rejects(subject.catalogue.submit('S-2', { ...payload, studyId: 'S-2' }), 'catalogue-conflict', 'info.already.exists')
    const upper = (payload['files'] as readonly Record<string, unknown>[]).map((file) => ({
      ...file,
      fileMd5sum: String(file['fileMd5sum']).toUpperCase(),
    }))
    await rejects(subject.catalogue.submit('S-1', { ...payload, files: upper }), 'catalogue-conflict', 'info.already.exists')
    await subject.catalogue.suppress('S-1', analysisId)
    await rejects(subject.catalogue.submit('S-1', payload), 'catalogue-conflict', 'info.already.exists')
    const again = await subject.catalogue.submit('S-1', payload, { allowDuplicates: true })
    assert.is.not(again.analysisId, analysisId)
    const twins = payloadOf('S-1', ['x.bam', 'y.bam'])
    const same = (twins['files'] as readonly Record<string, unknown>[]).map((file) => ({ ...file, fileMd5sum: md5Of(0xabc) }))
    assert.ok((await subject.catalogue.submit('S-1', { ...twins, files: same })).analysisId)
  })

  const file = { fileName: 'a.bam', fileSize: 1, fileMd5sum: md5Of(0xf), fileType: 'BAM', fileAccess: 'open', dataType: 'x' }
  const fileSet = { studyId: 'S-1', analysisType: { name: 'fileSet' } }
  const sample = {
    submitterSampleId: 's1',
    sampleType: 'Total DNA',
    matchedNormalSubmitterSampleId: null,
    specimen: { submitterSpecimenId: 'p1', specimenType: 'Normal', specimenTissueSource: 'Blood', tumourNormalDesignation: 'Normal' },
    donor: { submitterDonorId: 'd1', gender: 'Other' },
  }
  const refusals: readonly [what: string, payload: AnalysisPayload, errorId: SongErrorId, text: RegExp][] = [
    ['no analysis type', { studyId: 'S-1', files: [file] }, 'malformed.parameter', /#\/analysisType/],
    ['a blank type', { studyId: 'S-1', analysisType: { name: ' ' }, files: [file] }, 'malformed.parameter', /#\/analysisType/],
    ['an unknown type', { ...fileSet, analysisType: { name: 'nope' }, files: [file] }, 'analysis.type.not.found', /nope/],
    [
      'an old version',
      { ...fileSet, analysisType: { name: 'fileSet', version: 7 }, files: [file] },
      'analysis.type.incorrect.version',
      /7/,
    ],
    ['no files', { ...fileSet }, 'schema.violation', /#: required key \[files\] not found/],
    ['an empty list', { ...fileSet, files: [] }, 'schema.violation', /#\/files: /],
    [
      'a file without MD5',
      { ...fileSet, files: [{ ...file, fileMd5sum: undefined }] },
      'schema.violation',
      /#\/files\/0: required key \[fileMd5sum\] not found/,
    ],
    ['a short MD5', { ...fileSet, files: [{ ...file, fileMd5sum: 'abc' }] }, 'schema.violation', /#\/files\/0\/fileMd5sum: /],
    ['size 0', { ...fileSet, files: [{ ...file, fileSize: 0 }] }, 'schema.violation', /#\/files\/0\/fileSize: /],
    ['a size as text', { ...fileSet, files: [{ ...file, fileSize: '5' }] }, 'schema.violation', /#\/files\/0\/fileSize: /],
    [
      'access in capitals',
      { ...fileSet, files: [{ ...file, fileAccess: 'Open' }] },
      'schema.violation',
      /#\/files\/0\/fileAccess: .*open.*controlled/,
    ],
    [
      'a name with a blank',
      { ...fileSet, files: [file, { ...file, fileName: 'b c.bam' }] },
      'schema.violation',
      /#\/files\/1\/fileName: .*rename/,
    ],
    ['a name with a slash', { ...fileSet, files: [{ ...file, fileName: '../a.bam' }] }, 'schema.violation', /#\/files\/0\/fileName: /],
    ['a name twice', { ...fileSet, files: [file, file] }, 'schema.violation', /#\/files\/1\/fileName: .*twice/],
    ['an analysis id of its own', { ...fileSet, files: [file], analysisId: 'x' }, 'schema.violation', /#\/analysisId: /],
    ['another study', { ...fileSet, studyId: 'S-2', files: [file] }, 'study.id.mismatch', /S-2/],
    [
      'no experiment',
      { ...fileSet, analysisType: { name: 'sequencingRead' }, files: [file] },
      'schema.violation',
      /#: required key \[experiment\]/,
    ],
    [
      'an empty experiment',
      { ...fileSet, analysisType: { name: 'variantCall' }, experiment: {}, files: [file] },
      'schema.violation',
      /#\/experiment: required key \[variantCallingTool\]/,
    ],
    ['no samples in samples', { ...fileSet, files: [file], samples: [] }, 'schema.violation', /#\/samples: /],
    [
      'a sample without donor',
      { ...fileSet, files: [file], samples: [{ ...sample, donor: undefined }] },
      'schema.violation',
      /#\/samples\/0: required key \[donor\]/,
    ],
    [
      'a normal of a normal',
      { ...fileSet, files: [file], samples: [{ ...sample, matchedNormalSubmitterSampleId: 'n' }] },
      'schema.violation',
      /#\/samples\/0\/matchedNormal/,
    ],
  ]
  for (const [what, payload, errorId, text] of refusals) {
    on(`refuses a payload with ${what}`, async ({ catalogue }) => {
      await catalogue.ensureStudy('S-1')
      const code = errorId === 'analysis.type.incorrect.version' ? 'catalogue-conflict' : 'invalid-request'
      await rejects(catalogue.submit('S-1', payload), code, errorId, text)
      assert.equal(await listAll(catalogue.entities()), [])
    })
  }

  on('refuses a study that does not exist, and names that none may have', async ({ catalogue }) => {
    await rejects(catalogue.submit('S-9', payloadOf('S-9', ['a.bam'])), 'analysis-not-found', 'study.id.does.not.exist')
    await rejects(catalogue.ensureStudy('a study'), 'invalid-request')
    await catalogue.ensureStudy('S-1')
    await catalogue.ensureStudy('S-1')
  })

  on('tells what each analysis type needs', async ({ catalogue }) => {
    const types = await catalogue.analysisTypes()
    const needs = Object.fromEntries(types.map((type) => [type.name, [...type.required].sort().join(' ')]))
    assert.equal(needs, {
      fileSet: 'analysisType files studyId',
      sequencingRead: 'analysisType experiment files studyId',
      variantCall: 'analysisType experiment files studyId',
    })
    assert.ok(types.every((type) => type.version === 1 && type.fileTypes.length === 0))
  })

  on('lists what waits to be published', async (subject) => {
    const one = await submitted(subject, ['a.bam'])
    const two = await submitted(subject, ['b.bam'])
    store(subject, one.files)
    await subject.catalogue.publish(one.study, one.analysisId)
    const waiting = await subject.catalogue.analyses('S-1', 'UNPUBLISHED')
    assert.equal(
      waiting.map((analysis) => [analysis.analysisId, analysis.files[0]?.md5]),
      [[two.analysisId, two.md5s[0]]],
    )
  })

  on('ends early when told to', async ({ catalogue }) => {
    const reason = new Error('enough')
    const signal = AbortSignal.abort(reason)
    const works = [
      () => catalogue.entity('x', { signal }),
      () => catalogue.ensureStudy('S-1', { signal }),
      () => listAll(catalogue.entities({}, { signal })),
    ]
    for (const work of works) {
      const outcome = await work().catch((error: unknown) => error)
      assert.is(outcome, reason)
    }
  })
}
