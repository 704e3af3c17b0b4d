import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'

/** What the store does with one request instead of serving it well. */
export type Fault =
  | { readonly kind: 'ok'; readonly delayMs?: number; readonly headers?: OutgoingHttpHeaders }
  /** Cut before a byte of an answer; of a PUT after `afterBytes` of its body. */
  | { readonly kind: 'reset'; readonly afterBytes?: number }
  /** A GET cut after this many bytes of the body. */
  | { readonly kind: 'reset-in-body'; readonly afterBytes: number }
  /** A GET whose body has no length and ends early, as a well-behaved connection does. */
  | { readonly kind: 'short'; readonly bytes: number }
  /** A GET without a length, with so many bytes too many. */
  | { readonly kind: 'unframed'; readonly extraBytes: number }
  | { readonly kind: 'announce'; readonly contentLength: number }
  | { readonly kind: 'content-range'; readonly value: string }
  /** A 200 with the whole object. */
  | { readonly kind: 'whole' }
  /** One answer after the request was read. */
  | { readonly kind: 'status'; readonly status: number; readonly body?: string; readonly headers?: OutgoingHttpHeaders }
  /** A PUT answered before its body was read; the rest is then read and thrown away. */
  | { readonly kind: 'early'; readonly status: number; readonly body?: string }
  /** A PUT refused by closing with its body unread. Who asks first (`Expect`) sees the status. */
  | { readonly kind: 'refuse-unread'; readonly status: number; readonly body?: string }
  /** Silence: after so many bytes of the body of a GET; without: before the head. The body of a PUT is not read. */
  | { readonly kind: 'stall'; readonly afterBytes?: number }
  /** No `ETag`, or another. */
  | { readonly kind: 'etag'; readonly value: string | undefined; readonly headers?: OutgoingHttpHeaders }
  | { readonly kind: 'not-http' }

export interface SeenRequest {
  readonly method: string
  /** As it came: path and query, character for character. */
  readonly target: string
  readonly headers: IncomingMessage['headers']
  readonly rawHeaders: readonly string[]
  /** Which connection it came on, from 1. */
  readonly connection: number
  /** What of a PUT's body came, as far as it was read. */
  body?: Buffer
}

/** A store of one object whose next answers can be scripted. */
export interface FaultStore {
  /** `http://127.0.0.1:port` */
  readonly url: string
  /** The next requests get these, in order; all others are served well. */
  script(...faults: readonly Fault[]): void
  readonly requests: readonly SeenRequest[]
  /** Connections that were made so far. */
  readonly connections: number
  /** Ends all connections that wait for a request, without a word. */
  dropIdle(): void
  close(): Promise<void>
}

export function s3Error(code: string, message: string, more = ''): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message>${more}<RequestId>REQ7</RequestId></Error>`
}

interface Turn {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly seen: SeenRequest
  readonly object: Buffer
}

async function readBody({ request, seen }: Turn): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  seen.body = Buffer.concat(chunks)
  return seen.body
}

function rangeOf({ request, object }: Turn): { readonly body: Buffer; readonly contentRange: string } {
  const [, first = '0', last = String(object.length - 1)] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
  return { body: object.subarray(Number(first), Number(last) + 1), contentRange: `bytes ${first}-${last}/${object.length}` }
}

function quotedMd5(bytes: Buffer): string {
  return `"${createHash('md5').update(bytes).digest('hex')}"`
}

function answerRange(turn: Turn, headers: OutgoingHttpHeaders = {}): { readonly body: Buffer; readonly response: ServerResponse } {
  const { body, contentRange } = rangeOf(turn)
  turn.response.writeHead(206, { 'content-length': body.length, 'content-range': contentRange, etag: '"object-etag"', ...headers })
  return { body, response: turn.response }
}

async function serveWell(turn: Turn, headers: OutgoingHttpHeaders = {}): Promise<void> {
  if (turn.request.method === 'PUT') {
    const body = await readBody(turn)
    turn.response.writeHead(200, { etag: quotedMd5(body), ...headers }).end()
  } else {
    const { body, response } = answerRange(turn, headers)
    response.end(body)
  }
}

function plainStatus(turn: Turn, fault: { readonly status: number; readonly body?: string; readonly headers?: OutgoingHttpHeaders }): void {
  const body = fault.body ?? ''
  turn.response.writeHead(fault.status, { 'content-type': 'application/xml', 'content-length': Buffer.byteLength(body), ...fault.headers })
  turn.response.end(body)
}

async function reset(turn: Turn, afterBytes: number): Promise<void> {
  const { request } = turn
  let read = 0
  if (afterBytes > 0) {
    request.on('data', (chunk: Buffer) => {
      read += chunk.length
      if (read >= afterBytes) request.socket.resetAndDestroy()
    })
    return
  }
  request.socket.resetAndDestroy()
}

function sendSome(turn: Turn, bytes: number, then: () => void): void {
  const { body, response } = answerRange(turn)
  response.write(body.subarray(0, bytes), () => setTimeout(then, 20))
}

const misdeeds: { readonly [Kind in Fault['kind']]: (turn: Turn, fault: Extract<Fault, { kind: Kind }>) => Promise<void> | void } = {
  async ok(turn, { delayMs, headers }) {
    if (delayMs !== undefined) await wait(delayMs)
    await serveWell(turn, headers)
  },
  reset: (turn, { afterBytes }) => reset(turn, afterBytes ?? 0),
  'reset-in-body': (turn, { afterBytes }) => sendSome(turn, afterBytes, () => turn.request.socket.resetAndDestroy()),
  short(turn, { bytes }) {
    const { body, contentRange } = rangeOf(turn)
    turn.response.useChunkedEncodingByDefault = false
    turn.response.writeHead(206, { 'content-range': contentRange, connection: 'close' }).end(body.subarray(0, bytes))
  },
  unframed(turn, { extraBytes }) {
    const { body, contentRange } = rangeOf(turn)
    turn.response.useChunkedEncodingByDefault = false
    turn.response
      .writeHead(206, { 'content-range': contentRange, connection: 'close' })
      .end(Buffer.concat([body, Buffer.alloc(extraBytes)]))
  },
  announce(turn, { contentLength }) {
    const { body, response } = answerRange(turn, { 'content-length': contentLength })
    response.end(body.subarray(0, contentLength))
  },
  'content-range': (turn, { value }) => void answerRange(turn, { 'content-range': value }).response.end(rangeOf(turn).body),
  whole: ({ response, object }) => void response.writeHead(200, { 'content-length': object.length }).end(object),
  async status(turn, fault) {
    await readBody(turn)
    plainStatus(turn, fault)
  },
  early(turn, fault) {
    plainStatus(turn, fault)
    turn.request.resume()
  },
  async 'refuse-unread'(turn, fault) {
    if (turn.request.headers.expect !== undefined) plainStatus(turn, fault)
    else await reset(turn, 1)
  },
  stall(turn, { afterBytes }) {
    if (turn.request.method === 'PUT') turn.request.pause()
    else if (afterBytes !== undefined) sendSome(turn, afterBytes, () => undefined)
  },
  async etag(turn, { value, headers }) {
    if (turn.request.method === 'PUT') await readBody(turn)
    const answer = { ...headers, ...(value === undefined ? {} : { etag: value }) }
    if (turn.request.method === 'PUT') turn.response.writeHead(200, answer).end()
    else answerRange(turn, answer).response.end(rangeOf(turn).body)
  },
  'not-http': (turn) => void turn.request.socket.end('SSH-2.0-OpenSSH_9.2\r\n'),
}

export async function startFaultStore(object: Buffer): Promise<FaultStore> {
  const queue: Fault[] = []
  const requests: SeenRequest[] = []
  const numbers = new Map<Socket, number>()
  let connections = 0
  const busy = new Set<Socket>()

  const serve = (request: IncomingMessage, response: ServerResponse, asksFirst: boolean): void => {
    const { method = '', url: target = '', headers, rawHeaders, socket } = request
    const seen: SeenRequest = { method, target, headers, rawHeaders, connection: numbers.get(socket) ?? 0 }
    requests.push(seen)
    busy.add(socket)
    response.on('close', () => busy.delete(socket))
    const fault = queue.shift() ?? { kind: 'ok' }
    if (asksFirst && fault.kind !== 'refuse-unread') response.writeContinue()
    const misdeed = misdeeds[fault.kind] as (turn: Turn, fault: Fault) => Promise<void> | void
    Promise.resolve(misdeed({ request, response, seen, object }, fault)).catch(() => socket.destroy())
  }
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => serve(request, response, false))
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => serve(request, response, true))
  server.on('connection', (socket: Socket) => {
    numbers.set(socket, ++connections)
    socket.on('close', () => numbers.delete(socket))
    socket.on('error', () => undefined)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    script: (...faults) => void queue.push(...faults),
    requests,
    get connections() {
      return connections
    },
    dropIdle() {
      for (const socket of numbers.keys()) if (!busy.has(socket)) socket.resetAndDestroy()
    },
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
