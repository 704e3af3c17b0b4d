import { ScoreError } from '../core/errors.ts'
import { redactUrl } from '../core/redact.ts'
import { networkError } from '../http/network-error.ts'
import { type AnswerHead, isPlain, parseHead, staysOpen } from './plain-answer.ts'

export interface SocketRead {
  /** Sent character for character. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** Told of the head of a plain answer: a 206 whose body has the length that it says. Throws to refuse it. */
  readonly onHead: (head: AnswerHead) => void
  /** Given the body as it comes; it must copy what it keeps and did not get in `space`, and may throw to end it. */
  readonly take: (piece: Uint8Array) => void
  /** Memory for the next bytes of the body, which are read right into it. */
  readonly space?: () => Uint8Array | undefined
  /** Without a byte for so long, connecting included, it fails. */
  readonly stallSeconds: number
  readonly signal: AbortSignal
}

/** One request and its answer on a connection. */
export interface RangeExchange {
  /** Where the next bytes are to be put; absent: anywhere. */
  space(): Uint8Array | undefined
  feed(bytes: Buffer): void
  fail(error: Error): void
}

/** `plain` and `odd`: it was read, or is of a kind that is not understood here. `stale`: the connection was closed before it. */
export type ExchangeResult = 'plain' | 'odd' | 'stale'

export interface ExchangeOptions {
  /** The connection served before, and may have been closed since. */
  readonly used: boolean
  /** For so long the connection is to be kept. */
  readonly idleMs: number
  /** The connection is free: for the next request, or to be closed. Called once, before `settle` or `refuse`. */
  readonly free: (reusable: boolean) => void
  readonly settle: (result: ExchangeResult) => void
  readonly refuse: (error: unknown) => void
}

const longestHead = 64 * 1024

export function createRangeExchange(request: SocketRead, options: ExchangeOptions): RangeExchange {
  const { signal, stallSeconds, url } = request
  const { settle, refuse } = options
  let head: Buffer | undefined
  /** Bytes of the body that are still to come; negative before its head has come. */
  let left = -1
  let stays = true

  const free = (reusable: boolean): void => {
    clearTimeout(timer)
    signal.removeEventListener('abort', abort)
    options.free(reusable)
  }
  const fail = (error: unknown): void => {
    free(false)
    refuse(error)
  }
  const end = (result: ExchangeResult, reusable: boolean): void => {
    free(reusable)
    settle(result)
  }
  const abort = (): void => fail(signal.reason)
  const stalled = (): void =>
    fail(new ScoreError('unavailable', `${redactUrl(url)}: no byte came for ${stallSeconds} s; the store may be overloaded`))
  const timer = setTimeout(stalled, stallSeconds * 1000)
  signal.addEventListener('abort', abort, { once: true })

  const body = (bytes: Buffer): void => {
    request.take(bytes.length > left ? bytes.subarray(0, left) : bytes)
    left -= bytes.length
    // Whoever takes it may have ended it.
    if (left <= 0 && !signal.aborted) end('plain', left === 0 && stays)
  }
  const feedHead = (bytes: Buffer): void => {
    head = head === undefined ? Buffer.from(bytes) : Buffer.concat([head, bytes])
    const endOfHead = head.indexOf('\r\n\r\n')
    if (endOfHead < 0 && head.length < longestHead) return
    const told = endOfHead < 0 ? undefined : parseHead(head.toString('latin1', 0, endOfHead))
    if (told === undefined || !isPlain(told)) {
      end('odd', false)
      return
    }
    request.onHead(told)
    stays = staysOpen(told, options.idleMs)
    left = Number(told.headers['content-length'])
    const rest = head.subarray(endOfHead + 4)
    if (rest.length > 0 || left === 0) body(rest)
  }

  return {
    space() {
      if (left <= 0) return undefined
      const space = request.space?.()
      return space && space.length > left ? space.subarray(0, left) : space
    },
    feed(bytes) {
      timer.refresh()
      try {
        if (left < 0) feedHead(bytes)
        else body(bytes)
      } catch (error) {
        fail(error)
      }
    },
    fail(error) {
      if (options.used && head === undefined) end('stale', false)
      else fail(networkError(error, url))
    },
  }
}
