import { addAbortSignal, type Readable } from 'node:stream'
import { type ByteRange, formatHttpRange, parseContentRange, rangeLength } from '../../core/byte-range.ts'
import { ScoreError } from '../../core/errors.ts'
import type { GetOptions, ObjectAddress } from '../storage-backend.ts'
import type { AzureCallContext, AzureCalls } from './azure-calls.ts'

/** The store cuts a range that goes past the end; Azurite answers one that begins there with nothing. */
function checkRange(address: ObjectAddress, asked: ByteRange, contentRange: string | undefined): void {
  const place = `${address.bucket}/${address.key}`
  const given = parseContentRange(contentRange)
  if (given === undefined)
    throw new ScoreError('store-protocol', `the Azure store ignored the range ${asked.start} to ${asked.end} of ${place}`)
  if (given.range.start !== asked.start || given.range.end > asked.end)
    throw new ScoreError('store-protocol', `the Azure store answered with another range of ${place} than ${asked.start} to ${asked.end}`)
  if (given.range.end < asked.end)
    throw new ScoreError('invalid-range', `the range ${asked.start} to ${asked.end} goes past the end of ${place}, at ${given.range.end}`)
}

/** Chunks as they come; a body that falls silent is destroyed with the reason. */
async function* chunksOf(body: Readable, calls: AzureCalls, context: AzureCallContext): AsyncIterable<Uint8Array> {
  const watch = (): NodeJS.Timeout => setTimeout(() => body.destroy(calls.silent(context)), calls.idleTimeoutMs)
  let timer = watch()
  try {
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      // A reader that takes its time is no silence of the store.
      clearTimeout(timer)
      yield chunk
      timer = watch()
    }
  } finally {
    clearTimeout(timer)
  }
}

/** The bytes of a blob, or of a range of it: exactly so many as were asked for, or an error. */
export async function* readAzureObject(calls: AzureCalls, address: ObjectAddress, options: GetOptions = {}): AsyncIterable<Uint8Array> {
  const { range, signal } = options
  // Refuses an empty range, which for the SDK would be all of it.
  if (range !== undefined) formatHttpRange(range)
  const context = { doing: `read ${address.bucket}/${address.key}`, subject: 'object' } as const
  const answer = await calls.run(
    context,
    async (request) => {
      const [offset, count] = range === undefined ? [0, undefined] : [range.start, rangeLength(range)]
      return (await calls.blob(address)).download(offset, count, { ...request, maxRetryRequests: 0 })
    },
    options,
  )
  const body = answer.readableStreamBody as Readable | undefined
  if (body === undefined) throw new ScoreError('internal', `the Azure client gave no stream to read ${address.bucket}/${address.key} from`)
  try {
    if (range !== undefined) checkRange(address, range, answer.contentRange)
    if (signal !== undefined) addAbortSignal(signal, body)
    const expected = range === undefined ? answer.contentLength : rangeLength(range)
    let received = 0
    for await (const chunk of chunksOf(body, calls, context)) {
      received += chunk.length
      yield chunk
    }
    if (expected !== undefined && received !== expected)
      throw new ScoreError('unavailable', `the Azure store sent ${received} of ${expected} bytes of ${address.bucket}/${address.key}`)
  } catch (error) {
    signal?.throwIfAborted()
    throw calls.translate(error, context)
  } finally {
    body.destroy()
  }
}
