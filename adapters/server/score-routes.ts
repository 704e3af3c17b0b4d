import type Router from '@koa/router'
import type { Context } from 'koa'
import {
  blocksDialect,
  cutSpec,
  directSpecToJson,
  externalUrlToJson,
  objectInfoToJson,
  objectSpecToJson,
  type Route,
  type RouteName,
  routes,
  type ScoreApi,
  ScoreError,
  type ScoreService,
  uploadProgressToJson,
} from '../../src/index.ts'
import { answerEmpty, answerJson, answerJsonArray, answerText } from './answers.ts'
import { bearerToken, hasAuthorization } from './bearer-token.ts'
import { callSignal } from './call-signal.ts'
import { optionalFlag, optionalText, requiredInteger, requiredText } from './request-query.ts'

interface Call {
  readonly ctx: Context
  readonly api: ScoreApi
  readonly objectId: string
  readonly query: URLSearchParams
}

type Handler = (call: Call) => Promise<void>

/** Whether the client sends parts in whatever dialect they say. Clients of the original do not, and are given what they know. */
function speaksDialects(query: URLSearchParams): boolean {
  return optionalText(query, 'dialect') === blocksDialect
}

async function answerDownload({ ctx, api, objectId, query }: Call): Promise<void> {
  const start = requiredInteger(query, 'offset')
  // Every negative length means to the end; the answer says -1, as documented.
  const length = Math.max(requiredInteger(query, 'length'), -1)
  const external = optionalFlag(query, 'external')
  const withoutUrls = optionalFlag(query, 'exclude-urls')
  const range = length < 0 ? { start } : { start, end: start + length }
  const whole = start === 0 && length < 0
  const options = { signal: callSignal(ctx) }
  if (withoutUrls) {
    const spec = await api.describeObject(objectId, options)
    const cut = whole ? spec : cutSpec(spec, range)
    const json = external ? { ...externalUrlToJson({ ...spec, url: null }, length) } : objectSpecToJson(cut)
    return answerJson(ctx, JSON.stringify(json))
  }
  if (external) {
    const { size, objectKey = objectId, ...url } = await api.objectUrl(objectId, options)
    if (size !== undefined) cutSpec({ objectId, objectKey, uploadId: objectId, size, parts: [] }, range)
    return answerJson(ctx, JSON.stringify(externalUrlToJson({ ...url, objectKey }, length)))
  }
  const spec = await api.downloadSpec(whole ? { objectId } : { objectId, range }, options)
  return answerJson(ctx, JSON.stringify(objectSpecToJson(spec)))
}

async function* infoRows(api: ScoreApi, signal: AbortSignal): AsyncGenerator<unknown> {
  for await (const info of api.listObjects({ signal })) yield objectInfoToJson(info)
}

/** What is done for each route. Writes go on when the client hangs up: they can be repeated, and half of one helps nobody. */
const handlers: Readonly<Record<RouteName, Handler>> = {
  cancelAll: async () => {
    throw new ScoreError('invalid-request', 'which upload is to be cancelled? Name the object: DELETE /upload/<object id>')
  },
  uploadTest: async ({ ctx, api, objectId }) => {
    await api.objectExists(objectId)
    answerText(ctx, 'Upload Test Operation executed')
  },
  openUpload: async ({ ctx, api, objectId, query }) => {
    const size = requiredInteger(query, 'fileSize')
    const overwrite = optionalFlag(query, 'overwrite')
    const md5 = optionalText(query, 'md5')
    const dialects = speaksDialects(query)
    const spec = await api.openUpload({ objectId, size, overwrite, direct: !dialects, ...(md5 === undefined ? {} : { md5 }) })
    const json = spec.uploadId === spec.objectId ? directSpecToJson(spec) : objectSpecToJson(spec, { dialects })
    await answerJson(ctx, JSON.stringify(json))
  },
  deletePart: async ({ ctx, api, objectId, query }) => {
    const partNumber = requiredInteger(query, 'partNumber')
    await api.deletePart({ objectId, uploadId: requiredText(query, 'uploadId') }, partNumber)
    answerEmpty(ctx)
  },
  finalizePart: async ({ ctx, api, objectId, query }) => {
    const number = requiredInteger(query, 'partNumber')
    const uploadId = requiredText(query, 'uploadId')
    const md5 = requiredText(query, 'md5')
    const etag = requiredText(query, 'etag')
    await api.finalizePart({ objectId, uploadId }, { number, md5, etag })
    answerEmpty(ctx)
  },
  finalizeUpload: async ({ ctx, api, objectId, query }) => {
    await api.finalizeUpload({ objectId, uploadId: requiredText(query, 'uploadId') })
    answerEmpty(ctx)
  },
  recoverUpload: async ({ ctx, api, objectId, query }) => {
    await api.resumeUpload({ objectId, size: requiredInteger(query, 'fileSize') })
    answerEmpty(ctx)
  },
  uploadStatus: async ({ ctx, api, objectId, query }) => {
    const progress = await api.resumeUpload({ objectId, size: requiredInteger(query, 'fileSize') })
    await answerJson(ctx, JSON.stringify(uploadProgressToJson(progress, { dialects: speaksDialects(query) })))
  },
  objectExists: async ({ ctx, api, objectId }) => {
    await answerJson(ctx, String(await api.objectExists(objectId, { signal: callSignal(ctx) })))
  },
  cancelUpload: async ({ ctx, api, objectId }) => {
    await api.cancelUpload(objectId)
    answerEmpty(ctx)
  },
  ping: async ({ ctx, api }) => answerText(ctx, await api.sentinelUrl({ signal: callSignal(ctx) })),
  download: answerDownload,
  listing: ({ ctx, api }) => answerJsonArray(ctx, infoRows(api, callSignal(ctx))),
  profile: async ({ ctx, api }) => answerText(ctx, await api.profile({ signal: callSignal(ctx) })),
}

/**
 * The original's server answers 400 when an upload route is called without the `Authorization` header, before it looks
 * at anything else. A service that lets everyone in needs none.
 */
async function requireAuthorization(ctx: Context, service: ScoreService): Promise<void> {
  if (hasAuthorization(ctx)) return
  try {
    await service.as(undefined).profile()
  } catch (cause) {
    throw new ScoreError(
      'invalid-request',
      'the Authorization header is missing; send the access token as `Authorization: Bearer <token>`',
      {
        cause,
      },
    )
  }
}

/** Registers the original's routes (score-server.md 1.1 to 1.3). */
export function addScoreRoutes(router: Router, service: ScoreService): void {
  for (const [name, route] of Object.entries(routes) as [RouteName, Route][])
    router.register(route.path, [route.method], async (ctx) => {
      ctx.state['route'] = route.path
      ctx.state['right'] = route.right
      if (route.right === 'upload' && name !== 'cancelAll') await requireAuthorization(ctx, service)
      const api = service.as(bearerToken(ctx))
      await handlers[name]({ ctx, api, objectId: ctx.params['objectId'] ?? '', query: new URLSearchParams(ctx.querystring) })
    })
}
