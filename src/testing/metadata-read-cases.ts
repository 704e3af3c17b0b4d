import assert from 'node:assert/strict'
import { songObjectId } from '../core/object-id.ts'
import type { RegisteredFile } from '../metadata/analysis-registry.ts'
import { type CaseDefinition, collect } from './contract-case.ts'
import { type MetadataBench, refuses } from './metadata-subject.ts'

type MetadataCase = CaseDefinition<MetadataBench>
const nobody = '00000000-0000-4000-8000-000000000000'

/** What is registered, as it is read back. */
export const metadataReadCases: readonly MetadataCase[] = [
  {
    name: 'object ids follow the formula, and files are told as registered',
    async check(bench) {
      const { study, analysisId, files } = await bench.submitted(['a.bam', 'a.bam.bai'])
      assert.deepEqual(
        files.map(({ objectId, fileName, size, access, type }) => ({ objectId, fileName, size, access, type })),
        ['a.bam', 'a.bam.bai'].map((fileName, index) => ({
          objectId: songObjectId(analysisId, fileName),
          fileName,
          size: 100 + index,
          access: 'controlled',
          type: 'BAM',
        })),
      )
      const analysis = await bench.catalogue.analysis(study, analysisId)
      assert.deepEqual(
        [analysis.analysisId, analysis.study, analysis.state, analysis.type],
        [analysisId, study, 'UNPUBLISHED', 'sequencingRead'],
      )
      assert.equal(analysis.files.length, 2)
      assert.equal(await bench.catalogue.studyOf(analysisId), study)
    },
  },
  {
    name: 'an object is told as entity and as file with size and MD5, with state and study',
    async check(bench) {
      const { study, analysisId, files } = await bench.submitted(['a.bam'])
      const { objectId, size, md5 } = files[0] as RegisteredFile
      const entity = await bench.catalogue.entity(objectId)
      assert.deepEqual(entity, { objectId, analysisId, fileName: 'a.bam', study, access: 'controlled' })
      assert.equal(await bench.catalogue.analysisState(entity), 'UNPUBLISHED')
      assert.deepEqual(await bench.catalogue.file(entity), { objectId, size, md5 })
    },
  },
  {
    name: 'objects in another case and strangers are unknown',
    async check({ catalogue, submitted }) {
      const { study, files } = await submitted(['a.bam'])
      for (const id of [(files[0] as RegisteredFile).objectId.toUpperCase(), 'not-a-uuid', nobody])
        await refuses(catalogue.entity(id), 'entity-not-found', 'legacy.entity.not.found')
      assert.equal(await catalogue.file({ study, objectId: nobody }), undefined)
    },
  },
  {
    name: 'a file of another study is no file',
    async check({ catalogue, submitted, study }) {
      const { files } = await submitted(['a.bam'])
      assert.equal(await catalogue.file({ study: await study(), objectId: (files[0] as RegisteredFile).objectId }), undefined)
    },
  },
  {
    name: 'an analysis that is not there, of another study, of a study that is not there',
    async check({ catalogue, submitted, study, freshName }) {
      const one = await submitted(['a.bam'])
      const other = await study()
      const rows = [
        [one.study, nobody, 'analysis.id.not.found'],
        [other, one.analysisId, 'entity.not.related.to.study'],
        [freshName(), one.analysisId, 'study.id.does.not.exist'],
      ] as const
      for (const [owner, analysisId, errorId] of rows) {
        await refuses(catalogue.analysisState({ study: owner, analysisId }), 'analysis-not-found', errorId)
        await refuses(catalogue.analysis(owner, analysisId), 'analysis-not-found', errorId)
        await refuses(catalogue.files(owner, analysisId), 'analysis-not-found', errorId)
        for (const move of ['publish', 'unpublish', 'suppress'] as const)
          await refuses(catalogue[move](owner, analysisId), 'analysis-not-found', errorId)
      }
      await refuses(catalogue.studyOf(nobody), 'analysis-not-found', 'analysis.id.not.found')
      assert.deepEqual(await catalogue.analyses(freshName(), 'UNPUBLISHED'), [])
    },
  },
  {
    name: 'entities come in order of id, filtered exactly',
    async check(bench) {
      const one = await bench.submitted(['a.bam', 'b.bam', 'c.bam'])
      const two = await bench.submitted(['a.bam'])
      const names = async (filter: Parameters<MetadataBench['list']>[0]): Promise<string[]> =>
        (await bench.list(filter)).map((entity) => entity.fileName)
      const listed = (await bench.list({ study: one.study })).map((entity) => entity.objectId)
      assert.deepEqual(listed, one.files.map((file) => file.objectId).sort())
      assert.deepEqual(await names({ study: two.study }), ['a.bam'])
      assert.deepEqual((await names({ analysisId: one.analysisId })).sort(), ['a.bam', 'b.bam', 'c.bam'])
      assert.deepEqual(await names({ analysisId: one.analysisId, fileName: 'b.bam' }), ['b.bam'])
      assert.deepEqual(await names({ analysisId: one.analysisId, fileName: 'B.bam' }), [])
      assert.deepEqual(await names({ study: one.study, analysisId: two.analysisId }), [])
      assert.deepEqual(await names({ study: one.study.toLowerCase() }), [])
    },
  },
  {
    name: 'without a filter the entities are all there are, each once',
    async check(bench) {
      const { files } = await bench.submitted(['a.bam', 'b.bam'])
      const ids = (await bench.list()).map((entity) => entity.objectId)
      assert.equal(new Set(ids).size, ids.length)
      assert.ok(files.every((file) => ids.includes(file.objectId)))
    },
  },
  {
    name: 'what waits to be published is told, with its files',
    async check(bench) {
      const one = await bench.submitted(['a.bam'])
      const two = await bench.submitted(['b.bam'], one.study)
      bench.storeAll(one.files)
      await bench.catalogue.publish(one.study, one.analysisId)
      const told = async (state: 'UNPUBLISHED' | 'PUBLISHED' | 'SUPPRESSED'): Promise<(string | undefined)[]> =>
        (await bench.catalogue.analyses(one.study, state)).flatMap((analysis) => [analysis.analysisId, analysis.files[0]?.md5])
      assert.deepEqual(await told('UNPUBLISHED'), [two.analysisId, two.files[0]?.md5])
      assert.deepEqual(await told('PUBLISHED'), [one.analysisId, one.files[0]?.md5])
      assert.deepEqual(await told('SUPPRESSED'), [])
    },
  },
  {
    name: 'a type of analysis says what it needs',
    async check({ catalogue }) {
      const type = (await catalogue.analysisTypes()).find(({ name }) => name === 'sequencingRead')
      assert.ok(type !== undefined && type.version >= 1)
      for (const key of ['studyId', 'analysisType', 'files', 'experiment']) assert.ok(type.required.includes(key), key)
    },
  },
  {
    name: 'a call ends when it is told to',
    async check({ catalogue, freshName }) {
      const reason = new Error('enough')
      const signal = AbortSignal.abort(reason)
      const works = [
        () => catalogue.entity(nobody, { signal }),
        () => catalogue.ensureStudy(freshName(), { signal }),
        () => collect(catalogue.entities({}, { signal })),
      ]
      for (const work of works) assert.equal(await work().catch((error: unknown) => error), reason)
    },
  },
]
