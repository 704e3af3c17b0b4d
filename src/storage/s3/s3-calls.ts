import type { S3Client } from '@aws-sdk/client-s3'
import type { CallOptions } from '../../core/call-options.ts'
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

export function createS3Calls(options: S3BackendOptions): S3Calls {
  const { endpoint, now = Date.now } = options
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
        return await work(client, sdk, signal === undefined ? {} : { abortSignal: signal })
      } catch (error) {
        signal?.throwIfAborted()
        throw translate(error, context)
      }
    },
  }
}
