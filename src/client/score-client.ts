import type { DownloadQuery, ObjectUrl, OpenUpload, ScoreApi } from '../api/score-api.ts'
import type { CallOptions } from '../core/call-options.ts'
import { isScoreError, ScoreError } from '../core/errors.ts'
import { redactUrl } from '../core/redact.ts'
import type { RetryNotice, RetryPolicy } from '../core/retry.ts'
import { urlLife } from '../core/url-life.ts'
import { type AnswerToError, errorOfAnswer, type HttpAnswer, isWebPage } from '../http/http-answer.ts'
import { createHttpClient, type HttpClient, type HttpRequest, pathSegment } from '../http/http-client.ts'
import type { TokenSource } from '../http/http-exchange.ts'
import {
  blocksDialect,
  externalUrlFromJson,
  objectInfoFromJson,
  objectSpecFromJson,
  signedSpecFromJson,
  uploadProgressFromJson,
} from '../wire/object-spec-json.ts'
import { problemFromResponse } from '../wire/problem-from-response.ts'
import { type Route, type RouteName, routes, routeTarget } from '../wire/routes.ts'

export interface ScoreClientOptions {
  /** Base URL of the Score service; a path prefix is kept. */
  readonly url: string
  readonly token?: TokenSource
  readonly fetch?: typeof fetch
  /** Per call; default 60. Opening and joining an upload may take longer, {@link slowTimeoutSeconds}. */
  readonly timeoutSeconds?: number
  readonly retry?: Partial<RetryPolicy>
  readonly userAgent?: string
  /** Told before each repeat. */
  readonly onRetry?: (notice: RetryNotice) => void
  /** Clock in ms since 1970; default the system's. */
  readonly now?: () => number
}

/** The original signs and joins ten thousand parts one after the other before it answers. */
export const slowTimeoutSeconds = 600

/** How long a URL is taken to live when it does not say so itself. */
const unknownLifeMs = 5 * 60_000

/** One call to a route of the wire contract, its failures understood. */
interface Call {
  readonly route: RouteName
  readonly objectId?: string
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>
  /** For people: `the upload of object …`. */
  readonly doing: string
  readonly timeoutSeconds?: number
  /** What this call makes of a failed answer, before the route's own meanings. */
  readonly errorOf?: AnswerToError
}

function requestOf(call: Call, peer: string): HttpRequest {
  const route: Route = routes[call.route]
  // Refuses ids that would leave the path.
  if (call.objectId !== undefined) pathSegment(call.objectId)
  return {
    method: route.method,
    path: routeTarget(route, call.objectId, call.query),
    // Every call of the contract may be repeated: a second start replaces the first, registration and joining say the same twice.
    idempotent: true,
    ...(call.timeoutSeconds === undefined ? {} : { timeoutSeconds: call.timeoutSeconds }),
    errorOf: (answer) => call.errorOf?.(answer) ?? errorOfRoute(answer, route, peer, call.doing),
  }
}

// What a token lacks is said the same way for every service; the rest depends on the route.
function errorOfRoute(answer: HttpAnswer, route: Route, peer: string, doing: string): ScoreError | undefined {
  if (answer.status === 401 || answer.status === 403) return undefined
  // Upload routes ask for the header before they look at what is in it.
  if (answer.status === 400 && !answer.authenticated && /authorization header/i.test(answer.body))
    return errorOfAnswer({ ...answer, status: 401 })
  return problemFromResponse(answer, { peer, doing, meanings: route.meanings })
}

// A service older than the route knows S3 alone; the original keeps the route from anonymous callers, who may download open files.
function profileUntold(answer: HttpAnswer): ScoreError | undefined {
  const untold = (answer.status === 404 && !isWebPage(answer.headers, answer.body)) || (answer.status === 401 && !answer.authenticated)
  return untold ? new ScoreError('object-not-found', 'the service does not say which store it speaks to') : undefined
}

function requireSame(objectId: string, answered: { readonly objectId: string }, doing: string): void {
  if (answered.objectId.toLowerCase() !== objectId.toLowerCase())
    throw new ScoreError('invalid-format', `${doing}: the service answered for another object, ${answered.objectId}`)
}

function requireUploadable(request: OpenUpload): void {
  if (!Number.isSafeInteger(request.size) || request.size < 1)
    throw new ScoreError(
      'invalid-request',
      `object ${request.objectId} cannot be uploaded with ${request.size} bytes; it must have at least one`,
    )
}

function rangeQuery({ objectId, range }: DownloadQuery): { readonly offset: number; readonly length: number } {
  if (range === undefined) return { offset: 0, length: -1 }
  const { start, end } = range
  const valid = Number.isSafeInteger(start) && start >= 0 && (end === undefined || (Number.isSafeInteger(end) && end >= start))
  if (!valid) throw new ScoreError('invalid-range', `bytes ${start} to ${end ?? 'the end'} of object ${objectId} are no range`)
  return { offset: start, length: end === undefined ? -1 : end - start }
}

function isAddress(text: string): boolean {
  return /^https?:\/\//i.test(text) && URL.canParse(text)
}

interface Caller {
  readonly http: HttpClient
  json(call: Call, options: CallOptions | undefined): Promise<unknown>
  text(call: Call, options: CallOptions | undefined): Promise<string>
}

function createCaller(options: ScoreClientOptions): Caller {
  const { url, ...rest } = options
  const http = createHttpClient({ ...rest, baseUrl: url })
  const peer = `the Score service at ${redactUrl(http.baseUrl)}`
  return {
    http,
    json: (call, callOptions) => http.json(requestOf(call, peer), callOptions),
    text: (call, callOptions) => http.text(requestOf(call, peer), callOptions),
  }
}

type UploadCalls = Pick<
  ScoreApi,
  'openUpload' | 'resumeUpload' | 'finalizePart' | 'deletePart' | 'finalizeUpload' | 'cancelUpload' | 'objectExists'
>

function createUploadCalls(caller: Caller, dialect: DialectQuery): UploadCalls {
  const objectExists = async (objectId: string, options?: CallOptions): Promise<boolean> => {
    const doing = `looking for object ${objectId}`
    const text = (await caller.text({ route: 'objectExists', objectId, doing }, options)).trim().toLowerCase()
    if (text === 'true' || text === 'false') return text === 'true'
    throw new ScoreError(
      'invalid-format',
      `${doing}: the service answered neither true nor false; is ${caller.http.baseUrl} a Score service?`,
    )
  }
  return {
    objectExists,
    async openUpload(request, options) {
      requireUploadable(request)
      const { objectId, size, md5, overwrite = false } = request
      const doing = `starting the upload of object ${objectId}`
      const query = { fileSize: size, overwrite, md5, ...(await dialect(options)) }
      try {
        const answer = await caller.json({ route: 'openUpload', objectId, query, doing, timeoutSeconds: slowTimeoutSeconds }, options)
        const spec = signedSpecFromJson(answer, doing)
        requireSame(objectId, spec, doing)
        return spec
      } catch (error) {
        // The original gives 400 or 500 and no reason when the object is there already.
        const unexplained = isScoreError(error, 'invalid-request', 'internal')
        if (overwrite || !unexplained || !(await objectExists(objectId, options))) throw error
        throw new ScoreError('object-exists', `object ${objectId} exists already; overwrite it with --force if that is what you mean`, {
          cause: error,
        })
      }
    },
    async resumeUpload({ objectId, size }, options) {
      const doing = `looking for an upload of object ${objectId} in progress`
      const query = { fileSize: size, ...(await dialect(options)) }
      const answer = await caller.json({ route: 'uploadStatus', objectId, query, doing }, options)
      const progress = uploadProgressFromJson(answer, doing)
      requireSame(objectId, progress, doing)
      return progress
    },
    async finalizePart({ objectId, uploadId }, { number, md5, etag }, options) {
      const query = { uploadId, partNumber: number, md5, etag }
      await caller.text({ route: 'finalizePart', objectId, query, doing: `registering part ${number} of object ${objectId}` }, options)
    },
    async deletePart({ objectId, uploadId }, partNumber, options) {
      const query = { uploadId, partNumber }
      await caller.text({ route: 'deletePart', objectId, query, doing: `discarding part ${partNumber} of object ${objectId}` }, options)
    },
    async finalizeUpload({ objectId, uploadId }, options) {
      const doing = `finishing the upload of object ${objectId}`
      await caller.text({ route: 'finalizeUpload', objectId, query: { uploadId }, doing, timeoutSeconds: slowTimeoutSeconds }, options)
    },
    async cancelUpload(objectId, options) {
      await caller.text({ route: 'cancelUpload', objectId, doing: `cancelling the upload of object ${objectId}` }, options)
    },
  }
}

type Profile = ScoreApi['profile']

function createProfile(caller: Caller): Profile {
  return async (options) => {
    try {
      const doing = 'asking which store the service speaks to'
      // Only `az` speaks otherwise; whatever else a service calls itself, its URLs are S3's.
      return (await caller.text({ route: 'profile', doing, errorOf: profileUntold }, options)).trim().toLowerCase() === 'az' ? 'az' : 's3'
    } catch (error) {
      if (isScoreError(error, 'object-not-found')) return 's3'
      throw error
    }
  }
}

/** Said to a service with Azure behind it alone: parts are sent as their dialect says. */
type DialectQuery = (options: CallOptions | undefined) => Promise<{ readonly dialect?: string }>

/** Both from one question, where it was asked before: a service does not change its store. */
function createProfileCalls(caller: Caller): { readonly profile: Profile; readonly dialect: DialectQuery } {
  const ask = createProfile(caller)
  let known: 's3' | 'az' | undefined
  const profile: Profile = async (options) => {
    known = await ask(options)
    return known
  }
  return {
    profile,
    dialect: async (options) => ((known ?? (await profile(options))) === 'az' ? { dialect: blocksDialect } : {}),
  }
}

type ReadCalls = Omit<ScoreApi, keyof UploadCalls | 'profile'>

function createReadCalls(caller: Caller, now: () => number): ReadCalls {
  return {
    async downloadSpec(request, options) {
      const { objectId } = request
      const doing = `asking for object ${objectId}`
      const spec = signedSpecFromJson(await caller.json({ route: 'download', objectId, query: rangeQuery(request), doing }, options), doing)
      requireSame(objectId, spec, doing)
      return spec
    },
    async describeObject(objectId, options) {
      const doing = `asking what object ${objectId} is`
      const query = { offset: 0, length: -1, 'exclude-urls': true }
      const spec = objectSpecFromJson(await caller.json({ route: 'download', objectId, query, doing }, options), doing)
      requireSame(objectId, spec, doing)
      return { ...spec, parts: spec.parts.map(({ url: _, ...part }) => part) }
    },
    async objectUrl(objectId, options): Promise<ObjectUrl> {
      const doing = `asking for the URL of object ${objectId}`
      const query = { offset: 0, length: -1, external: true }
      const { url, size, md5, ...external } = externalUrlFromJson(
        await caller.json({ route: 'download', objectId, query, doing }, options),
        doing,
      )
      requireSame(objectId, external, doing)
      const expiresAt = new Date(urlLife(url).expiresAt ?? now() + unknownLifeMs)
      return { objectId, url, expiresAt, ...(size === undefined ? {} : { size }), ...(md5 === undefined ? {} : { md5 }) }
    },
    async *listObjects(options) {
      const doing = 'listing the objects'
      const rows = await caller.json({ route: 'listing', doing }, options)
      if (!Array.isArray(rows))
        throw new ScoreError('invalid-format', `${doing}: the answer is not a list; is ${caller.http.baseUrl} a Score service?`)
      for (const row of rows as readonly unknown[]) yield objectInfoFromJson(row, doing)
    },
    async sentinelUrl(options) {
      const doing = 'asking for the URL that proves the store can be reached'
      const url = (await caller.text({ route: 'ping', doing }, options)).trim()
      if (isAddress(url)) return url
      throw new ScoreError('invalid-format', `${doing}: the service answered with no URL; is ${caller.http.baseUrl} a Score service?`)
    },
  }
}

/**
 * A Score service over HTTP: the original's, of any age, or ours. The same port as the service in process, so whatever
 * runs on one runs on the other.
 *
 * Failed calls are repeated when a repeat can help. What the original leaves unsaid is told apart by the route: 404 on
 * the status of an upload is `upload-not-found`, 400 there is `size-changed`; a refused start of an upload is looked into.
 *
 * @throws `invalid-configuration` when `url` is not the address of a service.
 */
export function createScoreClient(options: ScoreClientOptions): ScoreApi {
  const caller = createCaller(options)
  const { profile, dialect } = createProfileCalls(caller)
  return { ...createUploadCalls(caller, dialect), ...createReadCalls(caller, options.now ?? Date.now), profile }
}
