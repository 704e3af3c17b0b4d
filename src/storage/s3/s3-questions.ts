import type { CallOptions } from '../../core/call-options.ts'
import { isScoreError } from '../../core/errors.ts'
import { createPooledRequests, type PooledAnswer, type PooledRequest } from '../../http/pooled-requests.ts'
import type { ObjectAddress } from '../storage-backend.ts'
import { mapS3NetworkError, mapS3Refusal } from './error-map.ts'
import type { CallContext, S3Calls } from './s3-calls.ts'
import { defaultIdleTimeoutMs, type S3BackendOptions } from './s3-options.ts'
import { type BucketPlace, readStorePlaces, type StorePlaces } from './s3-places.ts'
import { readS3Refusal } from './s3-refusal.ts'
import type { S3Session } from './s3-session.ts'
import { createHeaderSigner } from './sigv4-header.ts'
import { encodeKey } from './sigv4-query.ts'

/** Requests of our own beside the SDK's, signed here, for what is small and asked for often (docs/decisions/0025). */
export interface S3Questions {
  /**
   * The store's answer to GET or HEAD of an object, read whole; `undefined` when the SDK must ask, as of AWS's buckets that
   * are signed for in other ways.
   *
   * @throws as the SDK's requests do, by the same table.
   */
  ask(
    method: PooledRequest['method'],
    address: ObjectAddress,
    context: CallContext,
    options?: CallOptions,
  ): Promise<PooledAnswer | undefined>
}

/** As the SDK's agents (src/storage/store-agents.ts). */
const connections = 256

/** By the store's clock, as answers tell it, the SDK signs too: either learns from the other. */
function learnClock({ config }: S3Session['client'], { headers }: PooledAnswer, told: string | undefined, now: number): void {
  if (headers['age'] !== undefined) return
  const time = Date.parse(told ?? headers.date ?? '')
  if (!Number.isNaN(time)) config.systemClockOffset = time - now
}

/** Where buckets are, looked up once each. */
function createPlaceFinder(): (session: S3Session, bucket: string) => Promise<BucketPlace & { readonly region: string }> {
  let places: Promise<StorePlaces> | undefined
  const found = new Map<string, BucketPlace & { readonly region: string }>()
  return async (session, bucket) => {
    const known = found.get(bucket)
    if (known !== undefined) return known
    places ??= readStorePlaces(session).catch((error: unknown) => {
      places = undefined
      throw error
    })
    const { region, endpoint, of } = await places
    const place = { ...of(bucket, endpoint), region }
    found.set(bucket, place)
    return place
  }
}

/** @param now the clock that the SDK signs its requests by, whatever that of URLs is: they share what is learnt of the store's */
export function createS3Questions(calls: S3Calls, options: S3BackendOptions, now: () => number = Date.now): S3Questions {
  const { network, connectTimeoutMs = 15_000, idleTimeoutMs = defaultIdleTimeoutMs } = options
  const requests = createPooledRequests({ ...(network ? { network } : {}), connections, connectTimeoutMs, idleTimeoutMs })
  const sign = createHeaderSigner()
  const placeOf = createPlaceFinder()

  const send = async (request: PooledRequest, context: CallContext, signal: AbortSignal): Promise<PooledAnswer> => {
    try {
      return await requests.send(request, { signal })
    } catch (error) {
      throw signal.aborted || isScoreError(error) ? error : mapS3NetworkError(error, calls.errorContext(context))
    }
  }
  return {
    ask: (method, { bucket, key }, context, call) =>
      calls.ask(
        context,
        async (session, signal) => {
          const { origin, host, path: before, plainlySigned, region } = await placeOf(session, bucket)
          if (!plainlySigned) return undefined
          const { config } = session.client
          const path = `${before}/${encodeKey(key)}`
          const signedAt = new Date(now() + config.systemClockOffset)
          const headers = sign(await config.credentials(), { method, host, path, region }, signedAt)
          const answer = await send({ method, origin, path, headers: { ...headers, 'user-agent': 'score-sdk' } }, context, signal)
          const { status } = answer
          const whole = status >= 200 && status < 300 && status !== 206
          const refusal = whole ? undefined : readS3Refusal(method, answer)
          learnClock(session.client, answer, refusal?.serverTime, now())
          if (refusal === undefined) return answer
          throw mapS3Refusal(refusal, calls.errorContext(context), new Error(`${method} ${host}${path} was answered with status ${status}`))
        },
        call,
      ),
  }
}
