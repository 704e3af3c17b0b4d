import type { DownloadQuery, ObjectUrl } from '../api/score-api.ts'
import type { ByteRange } from '../core/byte-range.ts'
import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import type { ObjectSpec, SignedPart } from '../core/object-spec.ts'
import { type PartPlanOptions, planParts } from '../core/part-plan.ts'
import type { ObjectLayout } from '../storage/object-layout.ts'
import type { ObjectAddress } from '../storage/storage-backend.ts'
import type { PresignService } from './presign-service.ts'
import type { SpecStore } from './spec-store.ts'

export interface DownloadsContext {
  readonly layout: ObjectLayout
  readonly specs: SpecStore
  readonly presign: PresignService
  readonly partPlan?: PartPlanOptions
}

/** Downloads, once the caller has been let in. Errors as in `ScoreApi`. */
export interface Downloads {
  spec(query: DownloadQuery, options?: CallOptions): Promise<ObjectSpec<SignedPart>>
  describe(objectId: string, options?: CallOptions): Promise<ObjectSpec>
  url(objectId: string, options?: CallOptions): Promise<ObjectUrl>
  sentinelUrl(options?: CallOptions): Promise<string>
}

interface Located {
  readonly spec: ObjectSpec
  readonly data: ObjectAddress
}

/** From `.meta`, else from the bytes themselves: files put into the bucket by other means have none. */
async function locate(context: DownloadsContext, objectId: string, options?: CallOptions): Promise<Located> {
  const stored = await context.specs.read(objectId, options)
  if (stored) return stored
  const bare = await context.specs.bare(objectId, options)
  if (!bare)
    throw new ScoreError('object-not-found', `object ${objectId} is registered, but its bytes are not in the object store; upload it first`)
  const { size } = bare.stat
  const parts = size === 0 ? [] : planParts({ start: 0, end: size }, context.partPlan)
  const md5 = bare.md5 === undefined ? {} : { md5: bare.md5 }
  return { data: bare.data, spec: { objectKey: bare.data.key, objectId, uploadId: objectId, size, ...md5, parts } }
}

function requireRange(spec: ObjectSpec, asked: { readonly start: number; readonly end?: number }): ByteRange {
  const range = { start: asked.start, end: asked.end ?? spec.size }
  const whole = Number.isSafeInteger(range.start) && Number.isSafeInteger(range.end)
  if (whole && range.start >= 0 && range.start <= range.end && range.end <= spec.size) return range
  throw new ScoreError(
    'invalid-range',
    `bytes ${range.start} to ${range.end} do not lie in object ${spec.objectId}, which has ${spec.size} bytes (0 to ${spec.size})`,
  )
}

/**
 * The spec of a range of an object, its parts planned anew. The MD5 of the whole stays only when the range is the whole (score-server.md 10.D2).
 *
 * @throws `invalid-range` when the range passes the end.
 */
export function cutSpec(spec: ObjectSpec, asked: { readonly start: number; readonly end?: number }, plan?: PartPlanOptions): ObjectSpec {
  const range = requireRange(spec, asked)
  const size = range.end - range.start
  const md5 = size === spec.size && spec.md5 !== undefined ? { md5: spec.md5 } : {}
  const parts = size === 0 ? [] : planParts(range, plan)
  return { objectKey: spec.objectKey, objectId: spec.objectId, uploadId: spec.objectId, size, ...md5, parts }
}

export function createDownloads(context: DownloadsContext): Downloads {
  return {
    async spec({ objectId, range }, options) {
      const { spec, data } = await locate(context, objectId, options)
      const wanted = range === undefined ? spec : cutSpec(spec, range, context.partPlan)
      return { ...wanted, parts: await context.presign.signDownload(data, wanted.parts) }
    },
    describe: async (objectId, options) => (await locate(context, objectId, options)).spec,
    async url(objectId, options) {
      const { spec, data } = await locate(context, objectId, options)
      const { url, expiresAt } = await context.presign.signObject(data)
      return { objectId, objectKey: spec.objectKey, url, expiresAt, size: spec.size, ...(spec.md5 === undefined ? {} : { md5: spec.md5 }) }
    },
    sentinelUrl: async () => (await context.presign.signSentinel(context.layout.sentinel)).url,
  }
}
