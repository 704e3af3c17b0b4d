import { songObjectId } from '../../core/object-id.ts'
import type { SubmitOptions } from '../analysis-registry.ts'
import { songError } from '../song-error.ts'
import { isJsonObject, type JsonObject } from '../song-json.ts'
import { type FileDocument, songTime, type TypeRecord } from './catalogue-event.ts'
import { asEvent, type CatalogueStore, requireStudy } from './catalogue-store.ts'
import type { PayloadCheck } from './payload-check.ts'

function typeOf(store: CatalogueStore, payload: JsonObject): TypeRecord {
  const wanted = payload['analysisType']
  const name = isJsonObject(wanted) ? wanted['name'] : undefined
  if (!isJsonObject(wanted) || typeof name !== 'string' || name.trim() === '')
    throw songError('malformed.parameter', '#/analysisType: the payload must name its type, as in "analysisType": {"name": "fileSet"}')
  const latest = store.index.typeVersions(name).at(-1)
  if (!latest)
    throw songError('analysis.type.not.found', `there is no analysis type '${name}'; there are: ${store.index.typeNames().join(', ')}`)
  const version = wanted['version'] ?? latest.version
  if (version !== latest.version)
    throw songError(
      'analysis.type.incorrect.version',
      `analysis type '${name}' is at version ${latest.version}, not ${String(version)}; leave the version out`,
    )
  return latest
}

const fileKeys = new Set(['fileName', 'fileSize', 'fileMd5sum', 'fileType', 'fileAccess', 'dataType', 'info'])
const idKeys = new Set(['objectId', 'studyId', 'analysisId'])

/** Keys that a file document does not have move into its `info`, as Song does; ids are the catalogue's to give. */
function fileOf(analysisId: string, value: JsonObject): FileDocument {
  const foreign = Object.entries(value).filter(([key]) => !fileKeys.has(key) && !idKeys.has(key))
  const info = { ...(isJsonObject(value['info']) ? value['info'] : {}), ...Object.fromEntries(foreign) }
  const fileName = String(value['fileName'])
  return {
    objectId: songObjectId(analysisId, fileName),
    fileName,
    fileSize: Number(value['fileSize']),
    fileMd5sum: String(value['fileMd5sum']).toLowerCase(),
    fileType: String(value['fileType']),
    fileAccess: String(value['fileAccess']),
    dataType: String(value['dataType']),
    ...(Object.keys(info).length > 0 ? { info } : {}),
  }
}

function refuseDuplicates(store: CatalogueStore, study: string, files: readonly FileDocument[]): void {
  for (const file of files) {
    for (const objectId of store.index.objectsWithMd5(file.fileMd5sum)) {
      const other = store.index.object(objectId)
      const analysis = other && store.index.analysis(other.analysisId)
      if (!analysis || (store.suppressedMayRepeat && analysis.state === 'SUPPRESSED')) continue
      const where =
        analysis.study === study
          ? `as '${other.file.fileName}' in analysis ${analysis.analysisId} (${analysis.state}), object ${objectId}`
          : 'in another study'
      throw songError(
        'info.already.exists',
        `the content of '${file.fileName}' (MD5 ${file.fileMd5sum}) is registered already ${where}; use that, or allow duplicates`,
      )
    }
  }
}

export type SubmitAnalysis = (study: string, payload: unknown, options?: SubmitOptions) => Promise<{ readonly analysisId: string }>

/** Song's order of checks (song.md 1.6). The analysis with all its files is one event: it is there whole, or not. */
export function createSubmitAnalysis(store: CatalogueStore, check: PayloadCheck): SubmitAnalysis {
  return async (study, payload, options = {}) => {
    await store.log.refresh(options)
    requireStudy(store.index, study)
    if (!isJsonObject(payload)) throw songError('payload.parsing', '#: the payload is not a JSON object')
    const analysisId = store.randomId()
    await store.log.append(() => {
      requireStudy(store.index, study)
      const record = typeOf(store, payload)
      check.payload(payload, record)
      const { studyId, analysisType: _, files: given, ...rest } = payload
      if (studyId !== study)
        throw songError('study.id.mismatch', `#/studyId: the payload is for study '${String(studyId)}', and was sent to '${study}'`)
      const files = (given as readonly JsonObject[]).map((file) => fileOf(analysisId, file))
      if (!options.allowDuplicates) refuseDuplicates(store, study, files)
      const analysisType = { name: record.name, version: record.version }
      return asEvent({ type: 'analysis', at: songTime(store.now()), analysisId, studyId: study, analysisType, files, rest })
    }, options)
    return { analysisId }
  }
}
