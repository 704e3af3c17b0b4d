import type { IncomingMessage } from 'node:http'
import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises'
import { rangeLength } from '../../core/byte-range.ts'
import { normalizeMd5, unquoteEtag } from '../../core/checksum.ts'
import { ScoreError } from '../../core/errors.ts'
import { redactUrl } from '../../core/redact.ts'
import { type SlotPair, slotBytes } from '../../hash/md5-engine.ts'
import type { Md5Stream } from '../../hash/md5-stream.ts'
import { parseTarget } from '../../http/request-target.ts'
import type { SendPart, SentPart } from '../part-transport.ts'
import { type BodyReader, readerOfFile, readerOfSource } from './body-reader.ts'
import { mostStaleConnections } from './connections.ts'
import { type Exchange, openExchange } from './exchange.ts'
import type { AttemptOptions, PartContext } from './part-context.ts'
import { answerError, describeAnswer, isHtml, readExplanation } from './store-answer.ts'

/** A server that knows nothing of `Expect` is given the body after this time. */
const continueMs = 1000

export interface SendOptions extends AttemptOptions {
  /**
   * Ask before the body is sent. Costs a round trip; shows the true status of a store that refuses and closes with bytes
   * unread, where otherwise only a reset is seen.
   */
  readonly expectContinue: boolean
}

interface Sending {
  readonly exchange: Exchange
  readonly pair: SlotPair
  readonly hash: Md5Stream
  readonly reader: BodyReader
  readonly length: number
  readonly context: PartContext
  readonly options: SendOptions
}

function requestHeaders(part: SendPart, context: PartContext, options: SendOptions): Record<string, string | number> {
  return {
    ...part.headers,
    'Content-Length': rangeLength(part.range),
    ...(options.expectContinue ? { Expect: '100-continue' } : {}),
    ...(context.userAgent === undefined ? {} : { 'User-Agent': context.userAgent }),
  }
}

/** Resolves when the system has taken the bytes; never when the exchange ends before (its abandoning frees the slot). */
function write(exchange: Exchange, view: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    exchange.request.write(view, (error) => {
      if (!error) resolve()
    })
  })
}

async function throttle({ exchange, context, options }: Sending, count: number): Promise<void> {
  const delayMs = context.rateLimit?.take(count) ?? 0
  if (delayMs === 0) return
  exchange.watchdog.rest()
  await wait(delayMs, undefined, options.signal ? { signal: options.signal } : {})
}

/**
 * Reads, hashes and writes slot by slot; a slot is filled again once it is both written and hashed. Each takes a turn of the
 * event loop: where reads block and the system takes all that is written, no answer and no abort would ever come up
 * otherwise. Ends early when the store has answered. Returns whether the system has taken all bytes.
 *
 * @throws what ended the exchange; what the reader throws
 */
async function sendBody(sending: Sending, answered: () => boolean): Promise<boolean> {
  const { exchange, pair, hash, reader, length, context, options } = sending
  const step = Math.min(slotBytes, context.rateLimit?.quantumBytes ?? slotBytes)
  const inUse: [Promise<unknown>, Promise<unknown>] = [Promise.resolve(), Promise.resolve()]
  let taken = 0
  for (let at = 0, turn: 0 | 1 = 0; at < length; turn = turn === 0 ? 1 : 0) {
    await Promise.race([inUse[turn], exchange.response])
    await nextTurn()
    const slot = pair.slots[turn]
    const count = Math.min(step, length - at)
    const view = slot.subarray(0, count)
    if (!answered()) await reader.fill(view)
    if (!answered()) await throttle(sending, count)
    if (answered()) return false
    exchange.watchdog.expect(context.patience.stallSeconds, 'the store took no byte')
    const written = write(exchange, view).then(() => {
      exchange.watchdog.touch()
      taken += count
      options.onBytes(count)
    })
    inUse[turn] = Promise.all([written, hash.update(slot, count)])
    at += count
  }
  await reader.finish()
  exchange.request.end()
  await Promise.race([Promise.all(inUse), exchange.response])
  return taken === length
}

function permission(exchange: Exchange): Promise<void> {
  return new Promise((resolve, reject) => {
    const silence = setTimeout(resolve, continueMs)
    exchange.request.once('continue', resolve)
    exchange.request.flushHeaders()
    exchange.response.then(() => resolve(), reject).finally(() => clearTimeout(silence))
  })
}

async function answerOf(part: SendPart, sending: Sending): Promise<IncomingMessage> {
  const { exchange, context, options } = sending
  let answered = false
  exchange.response.then(
    () => (answered = true),
    () => {},
  )
  await Promise.race([exchange.connected, exchange.failed])
  if (options.expectContinue) await permission(exchange)
  const complete = await sendBody(sending, () => answered)
  if (!answered) exchange.watchdog.expect(context.patience.responseTimeoutSeconds, 'no answer came')
  const response = await exchange.response
  exchange.watchdog.rest()
  const body = await readExplanation(response)
  const status = response.statusCode ?? 0
  if (status < 200 || status > 299) throw answerError(describeAnswer('PUT', part.url, response, body, Date.now()))
  if (!complete) throw new ScoreError('unavailable', `PUT ${redactUrl(part.url)}: the store answered before it had the whole part`)
  // Swift calls every answer HTML, also one without a body.
  if (response.headers.etag === undefined && body.trim() !== '' && isHtml(response, body)) {
    throw new ScoreError('store-protocol', `PUT ${redactUrl(part.url)}: a web page came in answer; a proxy may stand between`)
  }
  return response
}

/** With keys of the store's customer or of a key service, the ETag is no MD5 though it may look like one. */
function encryptsWithOwnKey(response: IncomingMessage): boolean {
  const { headers } = response
  return (
    String(headers['x-amz-server-side-encryption'] ?? '').startsWith('aws:kms') ||
    headers['x-amz-server-side-encryption-customer-algorithm'] !== undefined
  )
}

function receipt(part: SendPart, response: IncomingMessage, md5: string): SentPart {
  const bytes = rangeLength(part.range)
  const header = response.headers.etag
  if (header === undefined) return { bytes, md5, etag: md5, etagIsMd5: false }
  const etag = unquoteEtag(header)
  const stored = encryptsWithOwnKey(response) ? undefined : normalizeMd5(etag)
  if (stored !== undefined && stored !== md5) {
    const message = `the store holds bytes with the MD5 ${stored}, the part that was sent has ${md5}`
    throw new ScoreError('checksum-mismatch', `PUT ${redactUrl(part.url)}: ${message}`)
  }
  return { bytes, md5, etag, etagIsMd5: stored !== undefined }
}

/** `undefined`: the connection had been closed while it was idle, which says nothing about the part. */
async function attempt(
  part: SendPart,
  pair: SlotPair,
  reader: BodyReader,
  context: PartContext,
  options: SendOptions,
): Promise<SentPart | undefined> {
  const { connections, patience } = context
  const { signal } = options
  const target = parseTarget(part.url)
  const hash = context.md5.open()
  const exchange = openExchange({ connections, patience, method: 'PUT', target, headers: requestHeaders(part, context, options), signal })
  const sending: Sending = { exchange, pair, hash, reader, length: rangeLength(part.range), context, options }
  try {
    const response = await answerOf(part, sending)
    exchange.finish()
    return receipt(part, response, await hash.digest())
  } catch (error) {
    hash.cancel()
    await exchange.abandon()
    signal?.throwIfAborted()
    if (exchange.wasStale) return undefined
    throw error
  } finally {
    await reader.close()
  }
}

async function sendFrom(
  open: () => Promise<BodyReader>,
  part: SendPart,
  pair: SlotPair,
  context: PartContext,
  options: SendOptions,
): Promise<SentPart> {
  for (let repeat = 0; repeat < mostStaleConnections; repeat++) {
    let passed = 0
    const onBytes = (count: number): void => {
      passed += count
      options.onBytes(count)
    }
    const expectContinue = options.expectContinue || repeat > 0
    const sent = await attempt(part, pair, await open(), context, { ...options, expectContinue, onBytes })
    if (sent) return sent
    if (passed > 0) options.onBytes(-passed)
    context.connections.dropIdle()
  }
  throw new ScoreError('unavailable', `PUT ${redactUrl(part.url)}: the store closed one connection after another before it answered`)
}

/** One attempt at a part of an upload: PUT of a range of a file or source, hashed on the way. */
export async function sendPart(part: SendPart, context: PartContext, options: SendOptions): Promise<SentPart> {
  const { from, range } = part
  const pair = await context.md5.lease(options.signal)
  try {
    if ('source' in from) {
      return await sendFrom(async () => readerOfSource(from.source, range, options.signal), part, pair, context, options)
    }
    return await context.files.use(from.path, 'read', (file) => sendFrom(() => readerOfFile(file, range), part, pair, context, options))
  } finally {
    pair.release()
  }
}
