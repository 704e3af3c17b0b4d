import { isScoreError } from '../../core/errors.ts'
import type { Analysis, AnalysisRegistry, AnalysisType } from '../analysis-registry.ts'
import type { MetadataService } from '../metadata-service.ts'
import { songError } from '../song-error.ts'
import { registeredFileFromJson } from '../song-json.ts'
import { renderedSchema } from './base-schema.ts'
import type { Catalogue, CatalogueOptions, EntityQuery } from './catalogue.ts'
import { createCatalogueDocuments, matchingObjects, requireObject } from './catalogue-documents.ts'
import type { AnalysisRecord, CatalogueIndex } from './catalogue-index.ts'
import { type CatalogueStore, filesOf, openCatalogueStore, requireAnalysis } from './catalogue-store.ts'
import { createChangeState } from './change-state.ts'
import { entityOf, fileDocument } from './documents.ts'
import { createPayloadCheck, type PayloadCheck } from './payload-check.ts'
import { createSubmitAnalysis } from './submit-analysis.ts'

function analysisOf(index: CatalogueIndex, record: AnalysisRecord): Analysis {
  const { analysisId, study, state } = record
  const files = filesOf(index, record).map((entry) => registeredFileFromJson(fileDocument(entry)))
  return { analysisId, study, state, type: record.analysisType.name, files }
}

function createReadSide({ index, log }: CatalogueStore): MetadataService {
  return {
    async entity(objectId, options) {
      await log.refresh(options)
      return entityOf(requireObject(index, objectId))
    },
    async entityWithState(objectId, options) {
      await log.refresh(options)
      const found = requireObject(index, objectId)
      return { entity: entityOf(found), state: requireAnalysis(index, found.study, found.analysisId).state }
    },
    async *entities(filter = {}, options) {
      await log.refresh(options)
      const { study, analysisId, fileName } = filter
      const query: EntityQuery = {
        ...(study === undefined ? {} : { projectCode: study }),
        ...(analysisId === undefined ? {} : { gnosId: analysisId }),
        ...(fileName === undefined ? {} : { fileName }),
      }
      for (const entry of matchingObjects(index, query)) {
        options?.signal?.throwIfAborted()
        yield entityOf(entry)
      }
    },
    async analysisState({ study, analysisId }, options) {
      await log.refresh(options)
      return requireAnalysis(index, study, analysisId).state
    },
    async file({ study, objectId }, options) {
      await log.refresh(options)
      const entry = index.object(objectId)
      if (entry?.study !== study) return undefined
      return { objectId, size: entry.file.fileSize, md5: entry.file.fileMd5sum }
    },
  }
}

function createWriteSide(store: CatalogueStore, check: PayloadCheck, documents: Catalogue['documents']): AnalysisRegistry {
  const { index, log } = store
  return {
    ...createChangeState(store),
    submit: createSubmitAnalysis(store, check),
    async ensureStudy(study, options) {
      await log.refresh(options)
      if (index.study(study)) return
      try {
        await documents.createStudy(study, { studyId: study }, options)
      } catch (error) {
        // Someone else made it in between.
        if (!isScoreError(error, 'catalogue-conflict')) throw error
      }
    },
    async analysis(study, analysisId, options) {
      await log.refresh(options)
      return analysisOf(index, requireAnalysis(index, study, analysisId))
    },
    async files(study, analysisId, options) {
      await log.refresh(options)
      return analysisOf(index, requireAnalysis(index, study, analysisId)).files
    },
    async studyOf(analysisId, options) {
      await log.refresh(options)
      const record = index.analysis(analysisId)
      if (!record) throw songError('analysis.id.not.found', `there is no analysis '${analysisId}'; check the id`)
      return record.study
    },
    async analyses(study, state, options) {
      await log.refresh(options)
      return index
        .analysesOf(study)
        .filter((record) => record.state === state)
        .map((record) => analysisOf(index, record))
    },
    async analysisTypes(options) {
      await log.refresh(options)
      return index.typeNames().map((name): AnalysisType => {
        const record = index.typeVersions(name).at(-1)
        if (!record) throw songError('analysis.type.not.found', `there is no analysis type '${name}'`)
        return { name, version: record.version, fileTypes: record.fileTypes, required: renderedSchema(record).required }
      })
    },
  }
}

/**
 * Opens the embedded catalogue: Song's semantics (song.md) on one append-only file of JSON lines in a folder. Several
 * processes may share the folder, and any of them may die at any moment: what was acknowledged is there, what was not is
 * there whole or not at all.
 *
 * Where it is better than Song: suppressed is final, an analysis is not published while an upload of one of its objects is
 * open, duplicates cannot slip through side by side, and an empty file is refused when it is submitted.
 *
 * @throws `local-storage`; `invalid-format` for a damaged file; `invalid-configuration` for one of a newer release.
 */
export async function openCatalogue(options: CatalogueOptions): Promise<Catalogue> {
  const store = await openCatalogueStore(options)
  const check = createPayloadCheck()
  const documents = createCatalogueDocuments(store, check)
  return {
    ...createReadSide(store),
    ...createWriteSide(store, check, documents),
    documents,
    close: () => store.log.close(),
  }
}
