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
  translate(error: unknown, context: CallContext): Error
}

/** A store that sends a byte from time to time is never silent, and never done. */
async function within<Result>(
  limitMs: number,
  signal: AbortSignal | undefined,
  context: CallContext,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const limit = new AbortController()
  const timer = setTimeout(() => limit.abort(), limitMs)
  try {
    return await work(signal === undefined ? limit.signal : AbortSignal.any([signal, limit.signal]))
  } catch (error) {
    if (!limit.signal.aborted || signal?.aborted === true) throw error
    const message = `the S3 store did not ${context.doing} within ${limitMs / 1000} s, so its answer is no longer waited for`
    throw new ScoreError('unavailable', message, { cause: error })
  } finally {
    clearTimeout(timer)
  }
}

export function createS3Calls(options: S3BackendOptions): S3Calls {
  const { endpoint, requestTimeoutMs = 600_000, now = Date.now } = options
  const open = createS3Session(options)
  const translate = (error: unknown, context: CallContext): Error =>
    mapS3Error(error, { ...context, now, ...(endpoint === undefined ? {} : { endpoint: redactUrl(endpoint) }) })

  return {
    open,
    translate,
    async run(context, work, { signal } = {}) {
      signal?.throwIfAborted()
      try {
        const { client, sdk } = await open()
        signal?.throwIfAborted()
        return await within(requestTimeoutMs, signal, context, (abortSignal) => work(client, sdk, { abortSignal }))
      } catch (error) {
        signal?.throwIfAborted()
        throw translate(error, context)
      }
    },
  }
}
