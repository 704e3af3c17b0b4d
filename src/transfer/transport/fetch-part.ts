import type { IncomingMessage } from 'node:http'
import { formatHttpRange, parseContentRange, rangeLength } from '../../core/byte-range.ts'
import { unquoteEtag } from '../../core/checksum.ts'
import { ScoreError } from '../../core/errors.ts'
import { redactUrl } from '../../core/redact.ts'
import type { SlotPair } from '../../hash/md5-engine.ts'
import { parseTarget } from '../../http/request-target.ts'
import type { FetchedPart, FetchPart } from '../part-transport.ts'
import { mostStaleConnections } from './connections.ts'
import { type Exchange, openExchange } from './exchange.ts'
import type { OpenFile } from './open-files.ts'
import type { AttemptOptions, PartContext } from './part-context.ts'
import { receiveBody } from './receive-body.ts'
import { createSlotFiller } from './slot-filler.ts'
import { answerError, describeAnswer, readExplanation } from './store-answer.ts'

function requestHeaders(part: FetchPart, context: PartContext): Record<string, string> {
  return {
    Range: formatHttpRange(part.range),
    ...(part.ifMatch === undefined ? {} : { 'If-Match': `"${part.ifMatch}"` }),
    ...(context.userAgent === undefined ? {} : { 'User-Agent': context.userAgent }),
  }
}

function protocolError(part: FetchPart, what: string): ScoreError {
  return new ScoreError('store-protocol', `GET ${redactUrl(part.url)}, ${formatHttpRange(part.range)}: ${what}`)
}

function requireRightRange(part: FetchPart, response: IncomingMessage): void {
  const { range, objectSize } = part
  const got = response.headers['content-range']
  const content = parseContentRange(got)
  if (!content || content.range.start !== range.start || content.range.end !== range.end) {
    throw protocolError(part, `the store sent another range (Content-Range '${got ?? ''}')`)
  }
  if (objectSize !== undefined && content.size !== undefined && content.size !== objectSize) {
    const message = `the object has ${content.size} bytes now, not ${objectSize}: it was replaced in the meantime; start over`
    throw new ScoreError('object-changed', `GET ${redactUrl(part.url)}: ${message}`)
  }
}

/** A 200 carries the whole object, which is right only for a part that is the whole of it. */
function requireWholeObject(part: FetchPart, response: IncomingMessage): void {
  const length = rangeLength(part.range)
  const isWhole = part.range.start === 0 && Number(response.headers['content-length']) === length
  if (isWhole && (part.objectSize ?? length) === length) return
  throw protocolError(part, 'the store (or a proxy between) ignored the range and sent the whole object or something else')
}

/** What the head promises. @throws when the body would not be this part's bytes */
function checkHead(part: FetchPart, response: IncomingMessage): string | undefined {
  const length = rangeLength(part.range)
  if (response.statusCode === 206) requireRightRange(part, response)
  else requireWholeObject(part, response)
  const promised = response.headers['content-length']
  if (promised !== undefined && Number(promised) !== length) {
    throw protocolError(part, `the store announced ${promised} bytes where the range has ${length}`)
  }
  const header = response.headers.etag
  const etag = header === undefined ? undefined : unquoteEtag(header)
  if (part.ifMatch !== undefined && etag !== undefined && etag !== part.ifMatch) {
    const message = `the object's ETag is '${etag}' now, not '${part.ifMatch}': it was replaced in the meantime; start over`
    throw new ScoreError('object-changed', `GET ${redactUrl(part.url)}: ${message}`)
  }
  return etag
}

function requireMd5(part: FetchPart, md5: string, context: PartContext): void {
  if (part.md5 === undefined || part.md5 === md5) return
  context.connections.dropIdle()
  const message = `the bytes that came have the MD5 ${md5}, the part should have ${part.md5}`
  throw new ScoreError('checksum-mismatch', `GET ${redactUrl(part.url)}, ${formatHttpRange(part.range)}: ${message}`)
}

async function answerOf(part: FetchPart, exchange: Exchange, context: PartContext): Promise<IncomingMessage> {
  exchange.request.end()
  await Promise.race([exchange.connected, exchange.failed])
  exchange.watchdog.expect(context.patience.responseTimeoutSeconds, 'no answer came')
  const response = await exchange.response
  if (response.statusCode === 206 || response.statusCode === 200) return response
  exchange.watchdog.rest()
  throw answerError(describeAnswer('GET', part.url, response, await readExplanation(response), Date.now()))
}

/** `undefined`: the connection had been closed while it was idle, which says nothing about the part. */
async function attempt(
  part: FetchPart,
  pair: SlotPair,
  file: OpenFile,
  context: PartContext,
  options: AttemptOptions,
): Promise<FetchedPart | undefined> {
  const { connections, patience, rateLimit } = context
  const { signal } = options
  const length = rangeLength(part.range)
  const target = parseTarget(part.url)
  const headers = requestHeaders(part, context)
  const hash = context.md5.open()
  const exchange = openExchange({ connections, patience, method: 'GET', target, headers, signal })
  const move = async (slot: Buffer, count: number, offset: number): Promise<void> => {
    await Promise.all([file.write(slot.subarray(0, count), part.position + offset), hash.update(slot, count)])
    options.onBytes(count)
  }
  try {
    const response = await answerOf(part, exchange, context)
    const etag = checkHead(part, response)
    const filler = createSlotFiller({ slots: pair.slots, total: length, move })
    await receiveBody({ exchange, response, filler, length, url: part.url, stallSeconds: patience.stallSeconds, rateLimit, signal })
    exchange.finish()
    const md5 = await hash.digest()
    requireMd5(part, md5, context)
    return { bytes: length, md5, ...(etag === undefined ? {} : { etag }) }
  } catch (error) {
    hash.cancel()
    await exchange.abandon()
    signal?.throwIfAborted()
    if (exchange.wasStale) return undefined
    throw error
  }
}

/** One attempt at a part of a download: GET of a range into its place in a file, hashed on the way. */
export async function fetchPart(part: FetchPart, context: PartContext, options: AttemptOptions): Promise<FetchedPart> {
  const pair = await context.md5.lease(options.signal)
  try {
    return await context.files.use(part.path, 'write', async (file) => {
      for (let repeat = 0; repeat < mostStaleConnections; repeat++) {
        const fetched = await attempt(part, pair, file, context, options)
        if (fetched) return fetched
        context.connections.dropIdle()
      }
      throw new ScoreError('unavailable', `GET ${redactUrl(part.url)}: the store closed one connection after another before it answered`)
    })
  } finally {
    pair.release()
  }
}
