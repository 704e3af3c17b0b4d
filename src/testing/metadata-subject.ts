import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { isScoreError, type ProblemCode } from '../core/errors.ts'
import type { AnalysisPayload, AnalysisRegistry, RegisteredFile } from '../metadata/analysis-registry.ts'
import type { StoredObjectState } from '../metadata/catalogue/catalogue.ts'
import type { Entity, EntityFilter, MetadataService } from '../metadata/metadata-service.ts'
import { type SongErrorId, songErrorId } from '../metadata/song-error.ts'
import { collect } from './contract-case.ts'

/** A catalogue under test, and the store that it asks before it publishes. */
export interface MetadataSubject {
  /** Of a caller who may do everything. Need not be empty: cases make studies of their own. */
  readonly catalogue: MetadataService & AnalysisRegistry
  /** What the store says from now on of an object; it has never heard of others. */
  store(objectId: string, state: StoredObjectState): void
  close?(): Promise<void>
}

/** An analysis that a case has submitted. */
export interface Submitted {
  readonly study: string
  readonly analysisId: string
  readonly files: readonly RegisteredFile[]
}

/** A subject, with the steps that cases are made of. */
export interface MetadataBench extends MetadataSubject {
  /** A name that no study has. */
  freshName(): string
  /** A study of its own. */
  study(): Promise<string>
  submitted(names: readonly string[], study?: string): Promise<Submitted>
  /** Makes the store say that it holds the files as registered. */
  storeAll(files: readonly RegisteredFile[]): void
  list(filter?: EntityFilter): Promise<Entity[]>
}

export function freshMd5(): string {
  return randomBytes(16).toString('hex')
}

/** A sample as every Song up to 5.2 wants one. */
export const sample = {
  submitterSampleId: 'sample-1',
  sampleType: 'Total DNA',
  matchedNormalSubmitterSampleId: null,
  specimen: {
    submitterSpecimenId: 'specimen-1',
    specimenType: 'Normal',
    specimenTissueSource: 'Solid tissue',
    tumourNormalDesignation: 'Normal',
  },
  donor: { submitterDonorId: 'donor-1', gender: 'Other' },
}

/** A payload that every Song and the embedded catalogue take; each file has an MD5 of its own. */
export function payloadOf(study: string, names: readonly string[], extra: AnalysisPayload = {}): AnalysisPayload {
  const files = names.map((fileName, index) => ({
    fileName,
    fileSize: 100 + index,
    fileMd5sum: freshMd5(),
    fileType: 'BAM',
    fileAccess: 'controlled',
    dataType: 'Aligned Reads',
  }))
  const experiment = { libraryStrategy: 'WGS' }
  return { studyId: study, analysisType: { name: 'sequencingRead' }, samples: [sample], experiment, files, ...extra }
}

/** Fails unless `work` rejects with this code, as this of Song's errors, with a message like this. */
export async function refuses(work: Promise<unknown>, code: ProblemCode, errorId: SongErrorId, text = /./): Promise<void> {
  const error = await work.then(
    () => assert.fail(`resolved, ${errorId} was expected`),
    (thrown: unknown) => thrown,
  )
  assert.ok(isScoreError(error), error instanceof Error ? error.stack : String(error))
  assert.deepEqual([error.code, songErrorId(error)], [code, errorId], error.message)
  assert.match(error.message, text)
}

export function metadataBench(subject: MetadataSubject): MetadataBench {
  const { catalogue, store } = subject
  const freshName = (): string => `S-${randomBytes(5).toString('hex')}`
  const study = async (): Promise<string> => {
    const name = freshName()
    await catalogue.ensureStudy(name)
    return name
  }
  return {
    ...subject,
    freshName,
    study,
    async submitted(names, given) {
      const owner = given ?? (await study())
      const { analysisId } = await catalogue.submit(owner, payloadOf(owner, names))
      const files = await catalogue.files(owner, analysisId)
      // In the order of the names: a catalogue may tell them in any.
      return {
        study: owner,
        analysisId,
        files: [...files].sort((one, other) => names.indexOf(one.fileName) - names.indexOf(other.fileName)),
      }
    },
    storeAll(files) {
      for (const { objectId, size, md5 } of files) store(objectId, { exists: true, size, md5 })
    },
    list: (filter) => collect(catalogue.entities(filter)),
  }
}
