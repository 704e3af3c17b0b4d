import { basename } from 'node:path'
import type { CallOptions } from '../core/call-options.ts'
import { normalizeMd5 } from '../core/checksum.ts'
import { ScoreError } from '../core/errors.ts'
import type { AnalysisPayload, AnalysisRegistry, AnalysisType, RegisteredFile } from './analysis-registry.ts'
import { requireFileName } from './file-name.ts'
import { dataTypeOf, fileTypeOf } from './file-type.ts'
import { fillPayload } from './fill-payload.ts'
import { findAnalysis } from './find-analysis.ts'

/** A file to register, as it lies here. */
export interface LocalFile {
  readonly path: string
  /** Name in the catalogue; default the last part of `path`. */
  readonly name?: string
  /** Bytes; at least 1. */
  readonly size: number
  /** Of the whole file, hex. */
  readonly md5: string
}

export interface RegisterFilesRequest {
  readonly registry: AnalysisRegistry
  readonly study: string
  readonly files: readonly LocalFile[]
  /** Who may download: `controlled` (default) needs a scope of the study, `open` none. Entries of a payload that say it win. */
  readonly access?: 'controlled' | 'open'
  /** A payload of the site's schema; names, sizes and MD5s are filled in ({@link fillPayload}). */
  readonly payload?: AnalysisPayload
  /** Without a payload: which type to register as; default the one that needs nothing but files. */
  readonly analysisType?: string
  /** Register again what is registered under another analysis; default false. */
  readonly allowDuplicates?: boolean
  /** Content with an analysis of the same names and MD5s that is published already, instead of `catalogue-conflict`; default false. */
  readonly acceptPublished?: boolean
}

export interface Registration {
  readonly study: string
  readonly analysisId: string
  /** In the order of the request. */
  readonly files: readonly (RegisteredFile & { readonly path: string })[]
  /** An analysis of an earlier run, not yet published, is continued: nothing new was registered. */
  readonly continued: boolean
  /** An analysis of an earlier run is published, so there is nothing left to do; only with `acceptPublished`. */
  readonly published: boolean
}

/** Type of the embedded catalogue that asks for nothing but files. */
export const fileSetType = 'fileSet'
const filesOnly = new Set(['studyId', 'analysisType', 'files'])

interface NamedFile extends LocalFile {
  readonly name: string
}

function checkFiles(files: readonly LocalFile[]): NamedFile[] {
  if (files.length === 0) throw new ScoreError('invalid-request', 'there is no file to register; name at least one')
  const seen = new Map<string, string>()
  return files.map((file) => {
    const name = requireFileName(file.name ?? basename(file.path))
    const other = seen.get(name)
    if (other !== undefined)
      throw new ScoreError('invalid-request', `'${other}' and '${file.path}' have the same name, which one analysis cannot hold twice`)
    seen.set(name, file.path)
    if (file.size < 1)
      throw new ScoreError('invalid-request', `'${file.path}' is empty; an empty file cannot be published, so it cannot be registered`)
    const md5 = normalizeMd5(file.md5)
    if (md5 === undefined)
      throw new ScoreError('invalid-request', `'${file.md5}' is not the MD5 of '${file.path}': it must be 32 hex digits`)
    return { ...file, name, md5 }
  })
}

function needsMore(type: AnalysisType): string[] {
  return type.required.filter((key) => !filesOnly.has(key))
}

function namedType(types: readonly AnalysisType[], name: string): AnalysisType {
  const found = types.find((type) => type.name === name)
  const known = types.map((type) => type.name).join(', ')
  if (!found) throw new ScoreError('invalid-request', `the catalogue has no analysis type '${name}'; it has: ${known || 'none'}`)
  const missing = needsMore(found)
  if (missing.length === 0) return found
  throw new ScoreError(
    'invalid-request',
    `analysis type '${name}' needs more than files (${missing.join(', ')}); nothing was registered. Give a whole payload with --payload FILE`,
  )
}

function chooseType(types: readonly AnalysisType[], wanted: string | undefined): AnalysisType {
  if (wanted !== undefined) return namedType(types, wanted)
  const fitting = types.filter((type) => needsMore(type).length === 0)
  const chosen = fitting.find((type) => type.name === fileSetType) ?? (fitting.length === 1 ? fitting[0] : undefined)
  if (chosen) return chosen
  const why =
    fitting.length > 1
      ? `several analysis types take files alone (${fitting.map((type) => type.name).join(', ')}): say which with --analysis-type, or give`
      : `each analysis type of this catalogue needs more than files (${types.map((type) => `${type.name}: ${needsMore(type).join(', ')}`).join('; ') || 'it has none'}): give`
  throw new ScoreError('invalid-request', `${why} a whole payload with --payload FILE; nothing was registered`)
}

function filesPayload(request: RegisterFilesRequest, files: readonly NamedFile[], type: AnalysisType): AnalysisPayload {
  return {
    studyId: request.study,
    analysisType: { name: type.name },
    files: files.map((file) => {
      const fileType = fileTypeOf(file.name)
      if (type.fileTypes.length > 0 && !type.fileTypes.includes(fileType))
        throw new ScoreError(
          'invalid-request',
          `'${file.path}' is of type ${fileType}; analysis type '${type.name}' takes ${type.fileTypes.join(', ')}`,
        )
      return {
        fileName: file.name,
        fileSize: file.size,
        fileMd5sum: file.md5,
        fileType,
        fileAccess: request.access ?? 'controlled',
        dataType: dataTypeOf(file.name),
      }
    }),
  }
}

function inOrder(files: readonly NamedFile[], registered: readonly RegisteredFile[], analysisId: string): Registration['files'] {
  const byName = new Map(registered.map((file) => [file.fileName, file]))
  return files.map((file) => {
    const found = byName.get(file.name)
    if (!found)
      throw new ScoreError(
        'unavailable',
        `the catalogue does not list '${file.name}' in analysis ${analysisId}, where it was just registered`,
      )
    return { ...found, path: file.path }
  })
}

/**
 * Registers files as one analysis of a study, making the study where it is missing. Run again with the same study, names
 * and MD5s, it continues the analysis that is not yet published (and, with `acceptPublished`, finds the one that is).
 *
 * @throws `invalid-request` for a name, size or MD5 that no catalogue takes, for a payload that does not fit the files, and,
 *   before anything is sent, when the catalogue needs more than files and there is no payload; whatever
 *   {@link AnalysisRegistry.submit} throws.
 */
export async function registerFiles(request: RegisterFilesRequest, options: CallOptions = {}): Promise<Registration> {
  const { registry, study } = request
  const files = checkFiles(request.files)
  for (const state of request.acceptPublished ? (['UNPUBLISHED', 'PUBLISHED'] as const) : (['UNPUBLISHED'] as const)) {
    const earlier = await findAnalysis({ registry, study, state, files }, options)
    if (!earlier) continue
    const { analysisId } = earlier
    return { study, analysisId, files: inOrder(files, earlier.files, analysisId), continued: true, published: state === 'PUBLISHED' }
  }
  const payload = request.payload
    ? fillPayload({ payload: request.payload, study, files, access: request.access ?? 'controlled' })
    : filesPayload(request, files, chooseType(await registry.analysisTypes(options), request.analysisType))
  await registry.ensureStudy(study, options)
  const { analysisId } = await registry.submit(study, payload, { ...options, allowDuplicates: request.allowDuplicates ?? false })
  return {
    study,
    analysisId,
    files: inOrder(files, await registry.files(study, analysisId, options), analysisId),
    continued: false,
    published: false,
  }
}
