import { addAbortSignal, Readable } from 'node:stream'
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3'
import { type ByteRange, formatHttpRange, parseContentRange, rangeLength } from '../../core/byte-range.ts'
import { ScoreError } from '../../core/errors.ts'
import type { GetOptions, ObjectAddress } from '../storage-backend.ts'
import type { S3Calls } from './s3-calls.ts'

/** The store cuts a range that goes past the end, and some ignore one that they do not like: neither is what was asked for. */
function checkRange(address: ObjectAddress, asked: ByteRange, answer: GetObjectCommandOutput): void {
  const place = `${address.bucket}/${address.key}`
  const given = parseContentRange(answer.ContentRange)
  if (given === undefined) {
    if (asked.start === 0 && answer.ContentLength === asked.end) return
    throw new ScoreError('store-protocol', `the S3 store ignored the range ${asked.start} to ${asked.end} of ${place}`)
  }
  if (given.range.start !== asked.start || given.range.end > asked.end)
    throw new ScoreError('store-protocol', `the S3 store answered with another range of ${place} than ${asked.start} to ${asked.end}`)
  if (given.range.end < asked.end)
    throw new ScoreError('invalid-range', `the range ${asked.start} to ${asked.end} goes past the end of ${place}, at ${given.range.end}`)
}

const leastBytesPerSecond = 1024

/** The chunks of a body. Whoever waits for them for a whole window and gets next to nothing has waited long enough. */
async function* paced(body: Readable, windowMs: number, place: string): AsyncIterable<Uint8Array> {
  const least = (leastBytesPerSecond * windowMs) / 1000
  let [waitedMs, received] = [0, 0]
  let asked = performance.now()
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    // What the reader takes to use a chunk is no fault of the store.
    waitedMs += performance.now() - asked
    received += chunk.length
    if (received >= least) [waitedMs, received] = [0, 0]
    else if (waitedMs >= windowMs)
      throw new ScoreError(
        'unavailable',
        `the S3 store sent ${received} bytes of ${place} within ${Math.round(waitedMs / 1000)} s, so the rest is no longer waited for`,
      )
    yield chunk
    asked = performance.now()
  }
}

/** The bytes of an object, or of a range of it: exactly so many as were asked for, or an error. */
export async function* readObject(
  calls: S3Calls,
  idleTimeoutMs: number,
  address: ObjectAddress,
  options: GetOptions = {},
): AsyncIterable<Uint8Array> {
  const { range, signal } = options
  const context = { doing: `read ${address.bucket}/${address.key}`, subject: 'object' } as const
  const input = { Bucket: address.bucket, Key: address.key, ...(range === undefined ? {} : { Range: formatHttpRange(range) }) }
  const answer = await calls.run(context, (client, sdk, request) => client.send(new sdk.GetObjectCommand(input), request), options)
  const body = answer.Body
  if (!(body instanceof Readable))
    throw new ScoreError('internal', `the S3 client gave no stream to read ${address.bucket}/${address.key} from`)
  try {
    if (range !== undefined) checkRange(address, range, answer)
    if (signal !== undefined) addAbortSignal(signal, body)
    const expected = range === undefined ? answer.ContentLength : rangeLength(range)
    let received = 0
    for await (const chunk of paced(body, idleTimeoutMs, `${address.bucket}/${address.key}`)) {
      received += chunk.length
      yield chunk
    }
    if (expected !== undefined && received !== expected)
      throw new ScoreError('unavailable', `the S3 store sent ${received} of ${expected} bytes of ${address.bucket}/${address.key}`)
  } catch (error) {
    signal?.throwIfAborted()
    throw calls.translate(error, context)
  } finally {
    body.destroy()
  }
}
