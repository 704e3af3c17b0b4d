import type { S3Client } from '@aws-sdk/client-s3'
import type { CallOptions } from '../../core/call-options.ts'
import { ScoreError } from '../../core/errors.ts'
import { redactUrl } from '../../core/redact.ts'
import { mapS3Error, type S3ErrorContext } from './error-map.ts'
import type { S3BackendOptions } from './s3-options.ts'
import { createS3Session, type S3Session } from './s3-session.ts'

/** Options of one request in the SDK's words. */
export interface RequestOptions {
  readonly abortSignal?: AbortSignal
}

export type S3Work<Result> = (client: S3Client, sdk: S3Session['sdk'], request: RequestOptions) => Promise<Result>

/** What a request was for, for the words of its failure. */
export type CallContext = Pick<S3ErrorContext, 'doing' | 'subject'>

/** The one way to the store: opens the session, carries the signal, translates failures. */
export interface S3Calls {
  open(): Promise<S3Session>
  /** @throws the signal's reason when aborted, else what `mapS3Error` makes of the failure. */
  run<Result>(context: CallContext, work: S3Work<Result>, options?: CallOptions): Promise<Result>
  /** As `run`, for a request that is not the SDK's. */
  ask<Result>(
    context: CallContext,
    work: (session: S3Session, signal: AbortSignal) => Promise<Result>,
    options?: CallOptions,
  ): Promise<Result>
  /** All that a failure is told with. */
  errorContext(context: CallContext): S3ErrorContext
  translate(error: unknown, context: CallContext): Error
}

/** A store that sends a byte from time to time is never silent, and never done. */
async function within<Result>(
  limitMs: number,
  signal: AbortSignal | undefined,
  context: CallContext,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const stop = new AbortController()
  let late = false
  const timer = setTimeout(() => {
    late = true
    stop.abort()
  }, limitMs)
  const onAbort = (): void => stop.abort(signal?.reason)
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    return await work(stop.signal)
  } catch (error) {
    if (!late || signal?.aborted === true) throw error
    const message = `the S3 store did not ${context.doing} within ${limitMs / 1000} s, so its answer is no longer waited for`
    throw new ScoreError('unavailable', message, { cause: error })
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
  }
}

export function createS3Calls(options: S3BackendOptions): S3Calls {
  const { endpoint, requestTimeoutMs = 600_000, now = Date.now } = options
  const open = createS3Session(options)
  const place = endpoint === undefined ? {} : { endpoint: redactUrl(endpoint) }
  const errorContext = (context: CallContext): S3ErrorContext => ({ ...context, ...place, now })
  const translate = (error: unknown, context: CallContext): Error => mapS3Error(error, errorContext(context))

  const ask: S3Calls['ask'] = async (context, work, { signal } = {}) => {
    signal?.throwIfAborted()
    try {
      const session = await open()
      signal?.throwIfAborted()
      return await within(requestTimeoutMs, signal, context, (stop) => work(session, stop))
    } catch (error) {
      signal?.throwIfAborted()
      throw translate(error, context)
    }
  }
  return {
    open,
    errorContext,
    translate,
    ask,
    run: (context, work, call) => ask(context, ({ client, sdk }, abortSignal) => work(client, sdk, { abortSignal }), call),
  }
}
