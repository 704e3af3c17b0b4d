import type { ClientRequest, IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { ScoreError } from '../../core/errors.ts'
import { redactUrl } from '../../core/redact.ts'
import { isCertificateError, networkError } from '../../http/network-error.ts'
import type { RequestTarget } from '../../http/request-target.ts'
import type { Connections } from './connections.ts'
import { createWatchdog, type Watchdog } from './watchdog.ts'

/** How long may be waited, in seconds. */
export interface Patience {
  /** For a connection, TLS included. */
  readonly connectTimeoutSeconds: number
  /** From the end of the request to the head of the answer. */
  readonly responseTimeoutSeconds: number
  /** Without a byte while a body moves. */
  readonly stallSeconds: number
}

/** One request and its answer on one connection. */
export interface Exchange {
  readonly request: ClientRequest
  /** The connection stands (with TLS); what is written now goes to the system at once. */
  readonly connected: Promise<void>
  /** The head of the answer. Rejects like {@link Exchange.failed}. */
  readonly response: Promise<IncomingMessage>
  /** Never resolves; rejects with what ended the exchange early. */
  readonly failed: Promise<never>
  readonly over: boolean
  /** The connection was used before and broke before any byte of an answer: the server had closed it while idle. */
  readonly wasStale: boolean
  readonly watchdog: Watchdog
  /** All is well: the connection is kept for the next one. */
  finish(): void
  /** Drops the connection. Resolves once nothing is under way on it any more: buffers given to it are free. */
  abandon(): Promise<void>
}

export interface ExchangeOptions {
  readonly connections: Connections
  readonly patience: Patience
  readonly method: 'GET' | 'PUT'
  readonly target: RequestTarget
  readonly headers: Readonly<Record<string, string | number>>
  readonly signal: AbortSignal | undefined
}

function connectionError(error: Error, url: string): ScoreError {
  if (error instanceof ScoreError) return error
  const general = networkError(error, url)
  return isCertificateError(error) ? new ScoreError('store-protocol', general.message, { cause: error }) : general
}

function connectionOf(request: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    request.once('socket', (socket: Socket) => {
      if (request.reusedSocket || !socket.connecting) resolve()
      else socket.once('encrypted' in socket ? 'secureConnect' : 'connect', () => resolve())
    })
  })
}

function closeOf(request: ClientRequest): Promise<void> {
  return new Promise((resolve) => request.once('close', () => resolve()))
}

/** Sends the head of a request (with its first byte of body, or at `end()`), and watches over what comes of it. */
export function openExchange(options: ExchangeOptions): Exchange {
  const { connections, method, target, headers, patience, signal } = options
  const request = connections.request(method, target, headers)
  const closed = closeOf(request)
  const connected = connectionOf(request)
  let over = false
  let wasStale = false
  let answered = false
  let fail: (reason: unknown) => void = () => {}
  const failed = new Promise<never>((_, reject) => {
    fail = (reason) => {
      over = true
      reject(reason)
    }
  })
  const watchdog = createWatchdog((what, seconds) => {
    fail(new ScoreError('unavailable', `${method} ${redactUrl(target.url)}: ${what} for ${seconds} s; the connection was dropped`))
    request.destroy()
  })
  const abort = (): void => {
    fail(signal?.reason)
    request.destroy()
  }
  signal?.addEventListener('abort', abort, { once: true })
  const answer = new Promise<IncomingMessage>((resolve) => {
    request.once('response', (response) => {
      answered = true
      response.on('error', (error) => fail(connectionError(error, target.url)))
      resolve(response)
    })
  })
  request.on('error', (error) => {
    wasStale = request.reusedSocket && !answered && !over
    fail(connectionError(error, target.url))
  })
  const response = Promise.race([answer, failed])
  for (const promise of [failed, response]) promise.catch(() => {})
  watchdog.expect(patience.connectTimeoutSeconds, 'no connection came about')
  const finish = (): void => {
    over = true
    signal?.removeEventListener('abort', abort)
    watchdog.rest()
  }
  return {
    request,
    connected,
    response,
    failed,
    watchdog,
    get over() {
      return over
    },
    get wasStale() {
      return wasStale
    },
    finish,
    async abandon() {
      finish()
      request.destroy()
      await closed
    },
  }
}
