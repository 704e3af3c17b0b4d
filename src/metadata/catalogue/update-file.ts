import { isDeepStrictEqual } from 'node:util'
import type { CallOptions } from '../../core/call-options.ts'
import { songError } from '../song-error.ts'
import { isJsonObject, type JsonObject } from '../song-json.ts'
import { type FileChange, type FileDocument, songTime } from './catalogue-event.ts'
import type { CatalogueIndex, FileRecordOfAnalysis } from './catalogue-index.ts'
import { asEvent, type CatalogueStore, requireStudy } from './catalogue-store.ts'
import { fileDocument } from './documents.ts'

/** @throws `entity-not-found`, and `analysis-not-found` for a file of another study. */
export function requireFile(index: CatalogueIndex, study: string, objectId: string): FileRecordOfAnalysis {
  const found = index.object(objectId)
  if (found?.study === study) return found
  requireStudy(index, study)
  if (!found) throw songError('file.not.found', `there is no file with object id '${objectId}'`)
  throw songError('entity.not.related.to.study', `file '${objectId}' does not belong to study '${study}'`)
}

const rules: Readonly<Record<keyof FileChange, { readonly holds: (value: unknown) => boolean; readonly rule: string }>> = {
  fileSize: { holds: (value) => Number.isSafeInteger(value) && Number(value) > 0, rule: 'must be a whole number above 0' },
  fileMd5sum: { holds: (value) => typeof value === 'string' && /^[a-fA-F0-9]{32}$/.test(value), rule: 'must be 32 hex digits' },
  fileAccess: { holds: (value) => value === 'open' || value === 'controlled', rule: 'must be open or controlled' },
  dataType: { holds: (value) => typeof value === 'string' && value !== '', rule: 'must be a text' },
  info: { holds: isJsonObject, rule: 'must be an object' },
}

function changeOf(body: unknown): FileChange {
  if (!isJsonObject(body)) throw songError('invalid.file.update.request', '#: the change is not a JSON object')
  const given = Object.entries(rules).filter(([key]) => body[key] !== undefined && body[key] !== null)
  const wrong = given.filter(([key, { holds }]) => !holds(body[key])).map(([key, { rule }]) => `#/${key}: ${rule}`)
  if (wrong.length > 0) throw songError('invalid.file.update.request', wrong.join(','))
  const change = Object.fromEntries(given.map(([key]) => [key, body[key]])) as FileChange
  return change.fileMd5sum === undefined ? change : { ...change, fileMd5sum: change.fileMd5sum.toLowerCase() }
}

type UpdateKind = 'CONTENT_UPDATE' | 'METADATA_UPDATE' | 'NO_UPDATE'

function kindOf(file: FileDocument, change: FileChange): UpdateKind {
  const differs = (key: keyof FileChange): boolean => change[key] !== undefined && !isDeepStrictEqual(change[key], file[key])
  if (differs('fileSize') || differs('fileMd5sum')) return 'CONTENT_UPDATE'
  return differs('fileAccess') || differs('dataType') || differs('info') ? 'METADATA_UPDATE' : 'NO_UPDATE'
}

const allowed: Readonly<Record<UpdateKind, readonly string[]>> = {
  CONTENT_UPDATE: ['UNPUBLISHED'],
  METADATA_UPDATE: ['UNPUBLISHED', 'PUBLISHED'],
  NO_UPDATE: ['UNPUBLISHED', 'PUBLISHED'],
}

export type UpdateFile = (study: string, objectId: string, body: unknown, options?: CallOptions) => Promise<JsonObject>

/** Song's file update (song.md 1.4): content only before publication, access and description also after. */
export function createUpdateFile(store: CatalogueStore): UpdateFile {
  return async (study, objectId, body, options = {}) => {
    let answer: JsonObject = {}
    await store.log.append(() => {
      const found = requireFile(store.index, study, objectId)
      const change = changeOf(body)
      const kind = kindOf(found.file, change)
      const state = store.index.analysis(found.analysisId)?.state ?? 'UNPUBLISHED'
      if (!allowed[kind].includes(state))
        throw songError(
          'illegal.file.update.request',
          `file ${objectId} is in a ${state} analysis; this change needs ${allowed[kind].join(' or ')}`,
        )
      answer = {
        fileUpdateType: kind,
        originalAnalysisState: state,
        unpublishedAnalysis: false,
        message: kind === 'NO_UPDATE' ? `No update for file with objectId '${objectId}'` : `Updated file with objectId '${objectId}'`,
        originalFile: fileDocument(found),
      }
      return kind === 'NO_UPDATE' ? undefined : asEvent({ type: 'file', at: songTime(store.now()), objectId, change })
    }, options)
    return answer
  }
}
