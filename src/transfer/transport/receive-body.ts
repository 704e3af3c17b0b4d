import type { IncomingMessage } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { ScoreError } from '../../core/errors.ts'
import { redactUrl } from '../../core/redact.ts'
import type { Exchange } from './exchange.ts'
import type { RateLimit } from './rate-limit.ts'
import type { SlotFiller } from './slot-filler.ts'

export interface BodyReception {
  readonly exchange: Exchange
  readonly response: IncomingMessage
  readonly filler: SlotFiller
  /** Bytes that the body must have. They are counted: a body without a length that was cut looks complete to node:http. */
  readonly length: number
  readonly url: string
  readonly stallSeconds: number
  readonly rateLimit: RateLimit | undefined
  readonly signal: AbortSignal | undefined
}

/** Moves the body of an answer into the slots. Settles when nothing is being moved any more. */
export async function receiveBody(reception: BodyReception): Promise<void> {
  const { exchange, filler } = reception
  try {
    await Promise.race([countBody(reception), exchange.failed])
    await filler.drained()
  } finally {
    await filler.settled()
  }
}

function countBody({ exchange, response, filler, length, url, stallSeconds, rateLimit, signal }: BodyReception): Promise<void> {
  const { watchdog } = exchange
  const answer = `GET ${redactUrl(url)}`
  let received = 0
  return new Promise<void>((resolve, reject) => {
    const listen = (): void => watchdog.expect(stallSeconds, 'no byte came')
    /** What holds the sender up is on our side, so that its silence means nothing. */
    const pauseFor = (reasons: readonly (Promise<void> | undefined)[]): void => {
      response.pause()
      watchdog.rest()
      Promise.all(reasons).then(() => {
        if (exchange.over) return
        listen()
        response.resume()
      }, reject)
    }
    const onChunk = (chunk: Buffer): void => {
      if (exchange.over) return
      watchdog.touch()
      received += chunk.length
      if (received > length) {
        reject(new ScoreError('store-protocol', `${answer}: the store sent more than the ${length} bytes of the range`))
        return
      }
      const delayMs = rateLimit?.take(chunk.length) ?? 0
      const room = filler.put(chunk)
      if (room !== undefined || delayMs > 0) pauseFor([room, delayMs > 0 ? wait(delayMs, undefined, signal ? { signal } : {}) : undefined])
    }
    const onEnd = (): void => {
      watchdog.rest()
      if (received === length) resolve()
      else reject(new ScoreError('unavailable', `${answer}: the answer ended after ${received} of ${length} bytes`))
    }
    listen()
    response.on('data', onChunk)
    response.once('end', onEnd)
  })
}
