import { ScoreError } from '../core/errors.ts'
import type { AnalysisPayload } from './analysis-registry.ts'
import { dataTypeOf, fileTypeOf } from './file-type.ts'
import { isJsonObject, type JsonObject } from './song-json.ts'

interface FileToFill {
  readonly name: string
  readonly size: number
  readonly md5: string
}

export interface FillPayloadRequest {
  readonly payload: AnalysisPayload
  readonly study: string
  readonly files: readonly FileToFill[]
  /** For entries that do not say. */
  readonly access: 'controlled' | 'open'
}

function refuse(problem: string): ScoreError {
  return new ScoreError('invalid-request', `the payload does not fit: ${problem}; nothing was registered`)
}

function entriesOf(payload: AnalysisPayload, files: readonly FileToFill[]): readonly JsonObject[] {
  const given = payload['files']
  if (given === undefined || (Array.isArray(given) && given.length === 0)) return files.map((file) => ({ fileName: file.name }))
  if (!Array.isArray(given)) throw refuse("its 'files' is not an array")
  if (given.length !== files.length) throw refuse(`it has ${given.length} file entries, and ${files.length} files were given`)
  return given.map((entry, index) => {
    if (isJsonObject(entry)) return entry
    throw refuse(`file entry ${index + 1} is not an object`)
  })
}

/** The file of each entry: the one it names; where no entry names a file that was given, they pair in order. */
function pair(entries: readonly JsonObject[], files: readonly FileToFill[]): FileToFill[] {
  const byName = new Map(files.map((file) => [file.name, file]))
  const named = entries.map((entry) => byName.get(String(entry['fileName'] ?? '')))
  const matched = new Set(named.filter((file) => file !== undefined))
  if (matched.size < named.filter((file) => file !== undefined).length) throw refuse('two of its file entries name the same file')
  const left = files.filter((file) => !matched.has(file))
  return entries.map((entry, index) => {
    const file = named[index] ?? left.shift()
    const name = entry['fileName']
    if (named[index] === undefined && matched.size > 0 && typeof name === 'string' && name !== '')
      throw refuse(`it names '${name}', which is not among the files (${files.map((given) => given.name).join(', ')})`)
    return file as FileToFill
  })
}

/**
 * Fills the facts into a payload of a site's schema: the study, and name, size and MD5 of each file. Entries are matched by
 * name; entries without a name, or a template none of whose names is among the files, in order. Type, access and data type
 * are only added where an entry has none.
 *
 * @throws `invalid-request` when the payload is of another study, or its entries and the files cannot be paired.
 */
export function fillPayload(request: FillPayloadRequest): AnalysisPayload {
  const { payload, study, files, access } = request
  const own = payload['studyId']
  if (typeof own === 'string' && own !== '' && own !== study) throw refuse(`it is for study '${own}', not '${study}'`)
  if (payload['analysisId'] !== undefined) throw refuse("it has an 'analysisId', which only the catalogue gives; take it out")
  const entries = entriesOf(payload, files)
  const paired = pair(entries, files)
  return {
    ...payload,
    studyId: study,
    files: entries.map((entry, index) => {
      const file = paired[index] as FileToFill
      const { fileType = fileTypeOf(file.name), fileAccess = access, dataType = dataTypeOf(file.name), ...rest } = entry
      return { ...rest, fileName: file.name, fileSize: file.size, fileMd5sum: file.md5, fileType, fileAccess, dataType }
    }),
  }
}
