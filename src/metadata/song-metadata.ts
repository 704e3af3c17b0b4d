import type { CallOptions } from '../core/call-options.ts'
import { isScoreError, ScoreError } from '../core/errors.ts'
import { runPool } from '../core/pool.ts'
import type { RetryNotice, RetryPolicy } from '../core/retry.ts'
import type { AnswerToError, HttpAnswer } from '../http/http-answer.ts'
import { createHttpClient, type HttpClient, pathOf } from '../http/http-client.ts'
import type { TokenSource } from '../http/http-exchange.ts'
import type { AnalysisPayload, AnalysisRegistry, AnalysisType, SubmitOptions } from './analysis-registry.ts'
import { findAnalysis } from './find-analysis.ts'
import type { MetadataService } from './metadata-service.ts'
import { errorOfSongAnswer, saysNotFound } from './song-answer.ts'
import { songError, songErrorId } from './song-error.ts'
import {
  analysisFromJson,
  analysisStateFromJson,
  entityFromJson,
  fileRecordFromJson,
  isJsonObject,
  type JsonObject,
  jsonArray,
  jsonObject,
  registeredFileFromJson,
  textField,
} from './song-json.ts'
import { entityPageRequest, songEntities } from './song-pages.ts'

export interface SongMetadataOptions {
  /** Base URL; a path prefix is kept. */
  readonly url: string
  /** Sent with every call; reads need none unless the site says so. */
  readonly token?: TokenSource
  readonly fetch?: typeof fetch
  /** Per call; default 60. Publishing waits longer, {@link publishTimeoutSeconds}. */
  readonly timeoutSeconds?: number
  readonly retry?: Partial<RetryPolicy>
  readonly userAgent?: string
  readonly onRetry?: (notice: RetryNotice) => void
}

/** A catalogue with both its sides. */
export type SongMetadata = MetadataService & AnalysisRegistry

/** Song asks Score three times per file before it answers, and repeats that for minutes when Score is ill (song.md 3.1). */
export const publishTimeoutSeconds = 600

const typesPerPage = 100

function createReadSide(http: HttpClient): MetadataService {
  return {
    async entity(objectId, options) {
      const value = await http.json(
        {
          path: pathOf`/entities/${objectId}`,
          errorOf: (answer) =>
            saysNotFound(answer)
              ? songError(
                  'legacy.entity.not.found',
                  `the catalogue at ${http.baseUrl} has no object ${objectId}: check the id, or register its file first`,
                )
              : undefined,
        },
        options,
      )
      const entity = entityFromJson(value)
      if (entity.objectId === objectId) return entity
      throw new ScoreError(
        'unavailable',
        `the catalogue at ${http.baseUrl} was asked for object ${objectId} and answered with ${entity.objectId}`,
      )
    },
    entities: (filter = {}, options = {}) => songEntities(http, filter, options),
    async analysisState({ study, analysisId }, options) {
      return analysisStateFromJson(await readAnalysis(http, study, analysisId, options))
    },
    async file({ study, objectId }, options) {
      const none = (answer: HttpAnswer): ScoreError | undefined =>
        errorOfSongAnswer(answer) ?? (saysNotFound(answer) ? songError('file.not.found', `no file record of ${objectId}`) : undefined)
      try {
        const record = fileRecordFromJson(await http.json({ path: pathOf`/studies/${study}/files/${objectId}`, errorOf: none }, options))
        if (record.objectId === objectId) return record
      } catch (error) {
        if (isScoreError(error, 'entity-not-found', 'analysis-not-found')) return undefined
        throw error
      }
      throw new ScoreError('unavailable', `the catalogue at ${http.baseUrl} was asked for file ${objectId} and answered with another`)
    },
  }
}

async function readAnalysis(http: HttpClient, study: string, analysisId: string, options: CallOptions | undefined): Promise<unknown> {
  const path = pathOf`/studies/${study}/analysis/${analysisId}`
  return http.json({ path, errorOf: analysisMissing(http, analysisId) }, options)
}

function analysisMissing(http: HttpClient, analysisId: string): AnswerToError {
  return (answer) =>
    errorOfSongAnswer(answer) ??
    (saysNotFound(answer)
      ? songError('analysis.id.not.found', `the catalogue at ${http.baseUrl} has no analysis ${analysisId}: check the id`)
      : undefined)
}

function payloadFiles(payload: AnalysisPayload): { readonly name: string; readonly md5: string }[] {
  const files = Array.isArray(payload['files']) ? payload['files'] : []
  return files.filter(isJsonObject).map((file) => ({ name: String(file['fileName']), md5: String(file['fileMd5sum']) }))
}

/** Song 5.2 takes such a payload, answers 500, and from then on answers 500 for every listing of the study's analyses. */
function requireOwnNames(files: readonly { readonly name: string }[]): void {
  const names = files.map(({ name }) => name)
  const index = names.findIndex((name, at) => names.indexOf(name) < at)
  if (index >= 0)
    throw songError(
      'schema.violation',
      `#/files/${index}/fileName: '${names[index]}' is in the payload twice; an analysis holds a name once`,
    )
}

function createSubmit(http: HttpClient, registry: Pick<AnalysisRegistry, 'analyses'>): AnalysisRegistry['submit'] {
  const post = async (study: string, payload: AnalysisPayload, options: SubmitOptions): Promise<string> => {
    const query = options.allowDuplicates ? [['allowDuplicates', true] as const] : []
    const answer = await http.json({ method: 'POST', path: pathOf`/submit/${study}`, query, json: payload }, options)
    return textField(jsonObject(answer, 'submission'), 'analysisId', 'submission')
  }
  return async (study, payload, options = {}) => {
    const files = payloadFiles(payload)
    requireOwnNames(files)
    try {
      return { analysisId: await post(study, payload, options) }
    } catch (error) {
      options.signal?.throwIfAborted()
      if (!isScoreError(error, 'unavailable')) throw error
      // The answer is lost, not necessarily the analysis: a second POST would make another, or be refused as a duplicate.
      const made = options.allowDuplicates ? undefined : await findAnalysis({ registry, study, state: 'UNPUBLISHED', files }, options)
      if (made) return { analysisId: made.analysisId }
      const advice = options.allowDuplicates
        ? `look for it among the unpublished analyses of '${study}' before you submit again`
        : 'it was not registered; try again'
      throw new ScoreError('unavailable', `${error.message}; ${advice}`, { cause: error })
    }
  }
}

function typeName(value: unknown): string {
  return textField(jsonObject(value, 'analysis type'), 'name', 'analysis type')
}

async function latestTypes(
  http: HttpClient,
  options: CallOptions,
): Promise<Map<string, { readonly version: number; readonly fileTypes: readonly string[] }>> {
  const latest = new Map<string, { readonly version: number; readonly fileTypes: readonly string[] }>()
  for (let offset = 0, seen = 1; seen > 0; offset += seen) {
    const query = [['hideSchema', true] as const, ['limit', typesPerPage] as const, ['offset', offset] as const]
    const page = jsonObject(await http.json({ path: '/schemas', query }, options), 'list of analysis types')
    const rows = jsonArray(page['resultSet'], 'list of analysis types')
    for (const row of rows) {
      const { version, options: extra } = row as JsonObject
      const known = latest.get(typeName(row))
      const fileTypes = isJsonObject(extra) && Array.isArray(extra['fileTypes']) ? extra['fileTypes'].map(String) : []
      if (typeof version === 'number' && version > (known?.version ?? 0)) latest.set(typeName(row), { version, fileTypes })
    }
    const count = page['count']
    seen = typeof count === 'number' && offset + rows.length >= count ? 0 : rows.length
    if (seen > 0 && rows.length < typesPerPage) seen = 0
  }
  return latest
}

async function analysisTypes(http: HttpClient, options: CallOptions): Promise<AnalysisType[]> {
  const latest = await latestTypes(http, options)
  const required = new Map<string, readonly string[]>()
  await runPool(
    latest.keys(),
    async (name, poolOptions) => {
      const type = jsonObject(await http.json({ path: pathOf`/schemas/${name}` }, poolOptions), 'analysis type')
      const schema = type['schema']
      const keys = isJsonObject(schema) && Array.isArray(schema['required']) ? schema['required'].map(String) : []
      required.set(name, keys)
    },
    { ...options, concurrency: 4 },
  )
  return [...latest].map(([name, { version, fileTypes }]) => ({ name, version, fileTypes, required: required.get(name) ?? [] }))
}

function createWriteSide(http: HttpClient): AnalysisRegistry {
  const analyses: AnalysisRegistry['analyses'] = async (study, state, options) => {
    const query = [['analysisStates', state] as const]
    try {
      const answer = await http.json({ path: pathOf`/studies/${study}/analysis`, query }, options)
      return jsonArray(answer, 'analyses').map(analysisFromJson)
    } catch (error) {
      if (songErrorId(error) === 'study.id.does.not.exist') return []
      throw error
    }
  }
  const move = async (verb: string, study: string, analysisId: string, options: CallOptions | undefined): Promise<void> => {
    const path = `${pathOf`/studies/${study}/analysis`}/${verb}${pathOf`/${analysisId}`}`
    await http.json({ method: 'PUT', path, errorOf: analysisMissing(http, analysisId) }, options)
  }
  return {
    analyses,
    submit: createSubmit(http, { analyses }),
    async ensureStudy(study, options) {
      try {
        await http.json({ path: pathOf`/studies/${study}` }, options)
      } catch (error) {
        if (songErrorId(error) !== 'study.id.does.not.exist') throw error
        await createStudy(http, study, options)
      }
    },
    async analysis(study, analysisId, options) {
      return analysisFromJson(await readAnalysis(http, study, analysisId, options))
    },
    async files(study, analysisId, options) {
      const path = pathOf`/studies/${study}/analysis/${analysisId}/files`
      const answer = await http.json({ path, errorOf: analysisMissing(http, analysisId) }, options)
      return jsonArray(answer, 'files').map(registeredFileFromJson)
    },
    async publish(study, analysisId, options = {}) {
      const path = pathOf`/studies/${study}/analysis/publish/${analysisId}`
      const query = options.ignoreUndefinedMd5 ? [['ignoreUndefinedMd5', true] as const] : []
      const patience = { timeoutSeconds: publishTimeoutSeconds, retry: { attempts: 3 } }
      await http.json({ method: 'PUT', path, query, ...patience, errorOf: analysisMissing(http, analysisId) }, options)
    },
    unpublish: (study, analysisId, options) => move('unpublish', study, analysisId, options),
    suppress: (study, analysisId, options) => move('suppress', study, analysisId, options),
    async studyOf(analysisId, options) {
      const page = jsonObject(await http.json(entityPageRequest({ analysisId }, 0, 1), options), 'page of entities')
      const [first] = jsonArray(page['content'], 'page of entities')
      if (first === undefined)
        throw songError('analysis.id.not.found', `the catalogue at ${http.baseUrl} has no analysis ${analysisId}: check the id`)
      return entityFromJson(first).study
    },
    analysisTypes: (options = {}) => analysisTypes(http, options),
  }
}

// The slash at the end is part of the path: without it a Song answers 405 (song.md 8.4).
async function createStudy(http: HttpClient, study: string, options: CallOptions | undefined): Promise<void> {
  const json = { studyId: study, name: study, organization: '', description: '' }
  try {
    await http.json({ method: 'POST', path: pathOf`/studies/${study}/`, json }, options)
  } catch (error) {
    // Someone else made it in between.
    if (songErrorId(error) !== 'study.already.exists') throw error
  }
}

/**
 * A Song over HTTP, of any version from 4 to 5.3 or our embedded catalogue: read side and write side. Of its answers the
 * fields that are needed are checked, no more.
 *
 * Refusals carry Song's error id ({@link songErrorId}) and say what to do. A submission whose answer was lost is not sent
 * again: the analysis is looked for.
 *
 * @throws `invalid-configuration` when `url` is not the address of a service.
 */
export function createSongMetadata(options: SongMetadataOptions): SongMetadata {
  const { url, ...rest } = options
  const http = createHttpClient({ ...rest, baseUrl: url, errorOf: errorOfSongAnswer })
  return { ...createReadSide(http), ...createWriteSide(http) }
}
