import assert from 'node:assert/strict'
import type { ProblemCode } from '../core/errors.ts'
import type { AnalysisPayload } from '../metadata/analysis-registry.ts'
import type { SongErrorId } from '../metadata/song-error.ts'
import type { CaseDefinition } from './contract-case.ts'
import { freshMd5, type MetadataBench, payloadOf, refuses, sample } from './metadata-subject.ts'

type MetadataCase = CaseDefinition<MetadataBench>
type File = Readonly<Record<string, unknown>>
type Change = (file: File) => AnalysisPayload

interface Refusal {
  readonly what: string
  /** What is put into a payload that would be taken; `file` is its only file. */
  readonly change: Change
  readonly code?: ProblemCode
  readonly errorId?: SongErrorId
  /** Beginning with a JSON pointer where it is about the schema. */
  readonly text?: RegExp
}

const refusals: readonly Refusal[] = [
  { what: 'no analysis type', change: () => ({ analysisType: undefined }), errorId: 'malformed.parameter' },
  { what: 'a blank analysis type', change: () => ({ analysisType: { name: ' ' } }), errorId: 'malformed.parameter' },
  { what: 'an unknown analysis type', change: () => ({ analysisType: { name: 'nope' } }), errorId: 'analysis.type.not.found' },
  {
    what: 'a version of its type that there is not',
    change: () => ({ analysisType: { name: 'sequencingRead', version: 7 } }),
    code: 'catalogue-conflict',
    errorId: 'analysis.type.incorrect.version',
    text: /7/,
  },
  { what: 'another study', change: () => ({ studyId: 'ANOTHER' }), errorId: 'study.id.mismatch' },
  { what: 'an analysis id of its own', change: () => ({ analysisId: 'x' }), text: /#\/analysisId: / },
  { what: 'no files', change: () => ({ files: undefined }), text: /#: required key \[files\] not found/ },
  { what: 'an empty list of files', change: () => ({ files: [] }), text: /#\/files: / },
  {
    what: 'a file without MD5',
    change: (file) => ({ files: [{ ...file, fileMd5sum: undefined }] }),
    text: /#\/files\/0: required key \[fileMd5sum\] not found/,
  },
  { what: 'a short MD5', change: (file) => ({ files: [{ ...file, fileMd5sum: 'abc' }] }), text: /#\/files\/0\/fileMd5sum: / },
  { what: 'a file of size 0', change: (file) => ({ files: [{ ...file, fileSize: 0 }] }), text: /#\/files\/0\/fileSize: / },
  { what: 'a file of a negative size', change: (file) => ({ files: [{ ...file, fileSize: -1 }] }), text: /#\/files\/0\/fileSize: / },
  { what: 'a size as text', change: (file) => ({ files: [{ ...file, fileSize: '5' }] }), text: /#\/files\/0\/fileSize: / },
  { what: 'access in capitals', change: (file) => ({ files: [{ ...file, fileAccess: 'Open' }] }), text: /#\/files\/0\/fileAccess: / },
  {
    what: 'a blank in a name',
    change: (file) => ({ files: [file, { ...file, fileName: 'b c.bam' }] }),
    text: /#\/files\/1\/fileName: /,
  },
  { what: 'a slash in a name', change: (file) => ({ files: [{ ...file, fileName: '../a.bam' }] }), text: /#\/files\/0\/fileName: / },
  {
    what: 'a name twice',
    change: (file) => ({ files: [file, { ...file, fileMd5sum: freshMd5() }] }),
    text: /#\/files\/1\/fileName: .*twice/,
  },
  { what: 'no experiment', change: () => ({ experiment: undefined }), text: /#: required key \[experiment\]/ },
  {
    what: 'an experiment that lacks what its type needs',
    change: () => ({ analysisType: { name: 'variantCall' }, experiment: {} }),
    text: /#\/experiment: required key \[variantCallingTool\]/,
  },
  { what: 'an empty list of samples', change: () => ({ samples: [] }), text: /#\/samples: / },
  {
    what: 'a sample without donor',
    change: () => ({ samples: [{ ...sample, donor: undefined }] }),
    text: /#\/samples\/0: required key \[donor\]/,
  },
  {
    what: 'a normal sample that has a matched normal',
    change: () => ({ samples: [{ ...sample, matchedNormalSubmitterSampleId: 'n' }] }),
    text: /#\/samples\/0\/matchedNormalSubmitterSampleId: /,
  },
]

function refusalCase({ what, change, code = 'invalid-request', errorId = 'schema.violation', text }: Refusal): MetadataCase {
  return {
    name: `a payload is refused for ${what}, and leaves nothing`,
    async check({ catalogue, study, list }) {
      const owner = await study()
      const payload = payloadOf(owner, ['a.bam'])
      const [file] = payload['files'] as readonly File[]
      await refuses(catalogue.submit(owner, { ...payload, ...change(file as File) }), code, errorId, text)
      assert.deepEqual(await list({ study: owner }), [])
    },
  }
}

function filesWith(payload: AnalysisPayload, change: (file: File) => File): AnalysisPayload {
  return { ...payload, files: (payload['files'] as readonly File[]).map(change) }
}

/** What is registered, and what is not. */
export const metadataSubmitCases: readonly MetadataCase[] = [
  ...refusals.map(refusalCase),
  {
    name: 'a study that does not exist is refused, and made once',
    async check({ catalogue, freshName }) {
      const study = freshName()
      await refuses(catalogue.submit(study, payloadOf(study, ['a.bam'])), 'analysis-not-found', 'study.id.does.not.exist')
      await catalogue.ensureStudy(study)
      await catalogue.ensureStudy(study)
      assert.ok((await catalogue.submit(study, payloadOf(study, ['a.bam']))).analysisId)
    },
  },
  {
    name: 'a content is taken once, in any study and state, unless told otherwise',
    async check({ catalogue, study }) {
      const [one, other] = [await study(), await study()]
      const payload = payloadOf(one, ['a.bam'])
      const { analysisId } = await catalogue.submit(one, payload)
      const again = (): Promise<unknown> => catalogue.submit(one, payload)
      await refuses(again(), 'catalogue-conflict', 'info.already.exists')
      await refuses(catalogue.submit(other, { ...payload, studyId: other }), 'catalogue-conflict', 'info.already.exists')
      await catalogue.suppress(one, analysisId)
      await refuses(again(), 'catalogue-conflict', 'info.already.exists')
      const made = await catalogue.submit(one, payload, { allowDuplicates: true })
      assert.notEqual(made.analysisId, analysisId)
    },
  },
  {
    name: 'a content is the same in whatever letters its MD5 is written',
    async check({ catalogue, study }) {
      const owner = await study()
      const payload = filesWith(payloadOf(owner, ['a.bam']), (file) => ({ ...file, fileMd5sum: `abcdef${freshMd5().slice(6)}` }))
      await catalogue.submit(owner, payload)
      const loud = filesWith(payload, (file) => ({ ...file, fileMd5sum: String(file['fileMd5sum']).toUpperCase() }))
      await refuses(catalogue.submit(owner, loud), 'catalogue-conflict', 'info.already.exists')
    },
  },
  {
    name: 'one analysis may hold a content twice, under two names',
    async check({ catalogue, study }) {
      const owner = await study()
      const md5 = freshMd5()
      const twins = filesWith(payloadOf(owner, ['x.bam', 'y.bam']), (file) => ({ ...file, fileMd5sum: md5 }))
      assert.ok((await catalogue.submit(owner, twins)).analysisId)
    },
  },
]
