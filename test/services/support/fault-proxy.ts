import { once } from 'node:events'
import { Agent, createServer, type IncomingMessage, type OutgoingHttpHeaders, request, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Transform } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import { freePort } from '../../support/free-port.ts'

/** What a request to an S3 store asks for, read from its method and query. */
export type S3Operation =
  | 'HeadObject'
  | 'GetObject'
  | 'PutObject'
  | 'DeleteObject'
  | 'DeleteObjects'
  | 'ListObjects'
  | 'CreateMultipartUpload'
  | 'UploadPart'
  | 'ListParts'
  | 'CompleteMultipartUpload'
  | 'AbortMultipartUpload'
  | 'other'

export function operationOf(method: string, target: string): S3Operation {
  const { searchParams, pathname } = new URL(target, 'http://store')
  if (searchParams.has('uploads')) return method === 'POST' ? 'CreateMultipartUpload' : 'other'
  if (searchParams.has('uploadId')) {
    const operations: Readonly<Record<string, S3Operation>> = {
      PUT: 'UploadPart',
      GET: 'ListParts',
      POST: 'CompleteMultipartUpload',
      DELETE: 'AbortMultipartUpload',
    }
    return operations[method] ?? 'other'
  }
  if (method === 'POST' && searchParams.has('delete')) return 'DeleteObjects'
  if (searchParams.has('list-type')) return 'ListObjects'
  if (!/^\/[^/]+\/./.test(pathname)) return 'other'
  const operations: Readonly<Record<string, S3Operation>> = {
    HEAD: 'HeadObject',
    GET: 'GetObject',
    PUT: 'PutObject',
    DELETE: 'DeleteObject',
  }
  return operations[method] ?? 'other'
}

/** What happens to one request instead of being passed on well. */
export type ProxyFault =
  | { readonly kind: 'delay'; readonly ms: number }
  /** The connection is cut before the store hears of the request. */
  | { readonly kind: 'reset' }
  /** The store does what it was asked for, and its answer is lost. */
  | { readonly kind: 'lost-answer' }
  /** The connection is cut after so many bytes of the request's body. */
  | { readonly kind: 'cut-request'; readonly afterBytes: number }
  /** The connection is cut after so many bytes of the answer's body. */
  | { readonly kind: 'cut-answer'; readonly afterBytes: number }
  /** The proxy answers by itself. */
  | { readonly kind: 'answer'; readonly status: number; readonly body?: string; readonly headers?: OutgoingHttpHeaders }
  /** The store's answer with another ETag, or none. */
  | { readonly kind: 'etag'; readonly value?: string }
  /** The store's answer with another status, and with headers changed; an empty one is left out. */
  | { readonly kind: 'head'; readonly status?: number; readonly headers?: Readonly<Record<string, string>> }
  /** The store is asked for another range, first byte and last. */
  | { readonly kind: 'other-range'; readonly of: (first: number, last: number) => readonly [first: number, last: number] }
  /** Behind so many bytes of the answer's body no more comes, or a byte from time to time. */
  | { readonly kind: 'drip'; readonly afterBytes: number; readonly everyMs?: number }
  /** No answer, ever. */
  | { readonly kind: 'silence' }
  /** The answer begins, and goes on with a byte from time to time, for ever. */
  | { readonly kind: 'trickle'; readonly everyMs: number }

export interface FaultRule {
  readonly operation: S3Operation
  /** Of those, the ones whose path contains this. */
  readonly path?: string
  readonly fault: ProxyFault
  /** How many requests it hits; default 1. */
  readonly times?: number
  /** How many go by before; default 0. */
  readonly after?: number
}

/** A proxy before a store: passes everything on unchanged but for what the rules say. */
export interface FaultProxy {
  /** `http://127.0.0.1:port`: the store sees this host, so requests are signed for it. */
  readonly url: string
  /** Rules for the requests to come, in place of those before. */
  script(...rules: readonly FaultRule[]): void
  /** Hits that the rules have not made; those of rules without end are not counted. */
  readonly pending: number
  /** Requests so far, by operation. */
  counts(): Readonly<Partial<Record<S3Operation, number>>>
  /** Nobody listens, and what was under way is cut. */
  down(): Promise<void>
  up(): Promise<void>
  close(): Promise<void>
}

/** Lets so many bytes pass and then calls. */
function meter(bytes: number, then: () => void): Transform {
  let left = bytes
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const passing = chunk.subarray(0, left)
      left -= passing.length
      if (passing.length > 0) this.push(passing)
      // What was pushed is on its way before the cut.
      if (left <= 0) setImmediate(then)
      else done()
    },
  })
}

/** Lets so many bytes pass, and then one from time to time, or none. */
function dripper(bytes: number, everyMs: number | undefined): Transform {
  let left = bytes
  return new Transform({
    async transform(chunk: Buffer, _encoding, done) {
      const passing = chunk.subarray(0, left)
      left -= passing.length
      if (passing.length > 0) this.push(passing)
      if (passing.length === chunk.length) return done()
      // Without a next chunk nothing more comes; whoever hangs up ends it.
      for (const byte of everyMs === undefined ? [] : chunk.subarray(passing.length)) {
        await wait(everyMs, undefined, { ref: false })
        if (this.destroyed) return
        this.push(Uint8Array.of(byte))
      }
    },
  })
}

interface Turn {
  readonly incoming: IncomingMessage
  readonly response: ServerResponse
  readonly target: URL
  readonly agent: Agent
}

function headersOf(message: IncomingMessage): OutgoingHttpHeaders {
  const headers: Record<string, string | string[]> = {}
  for (let at = 0; at < message.rawHeaders.length; at += 2) {
    const name = message.rawHeaders[at] as string
    if (/^(connection|keep-alive|transfer-encoding)$/i.test(name)) continue
    const value = message.rawHeaders[at + 1] as string
    const before = headers[name]
    headers[name] = before === undefined ? value : [before, value].flat()
  }
  return headers
}

/** The headers of a request, with another range where the fault says so. */
function askedHeaders(incoming: IncomingMessage, fault: ProxyFault | undefined): OutgoingHttpHeaders {
  const headers = headersOf(incoming)
  if (fault?.kind !== 'other-range') return headers
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(incoming.headers.range ?? '') ?? []
  const [from, to] = fault.of(Number(first), Number(last))
  for (const name of Object.keys(headers)) if (/^range$/i.test(name)) delete headers[name]
  return { ...headers, range: `bytes=${from}-${to}` }
}

/** The headers of an answer, as the fault has them. */
function givenHeaders(answer: IncomingMessage, fault: ProxyFault | undefined): OutgoingHttpHeaders {
  const given = headersOf(answer)
  const changes: Readonly<Record<string, string>> =
    fault?.kind === 'etag' ? { etag: fault.value ?? '' } : fault?.kind === 'head' ? (fault.headers ?? {}) : {}
  for (const [name, value] of Object.entries(changes)) {
    for (const old of Object.keys(given)) if (old.toLowerCase() === name) delete given[old]
    if (value !== '') given[name] = value
  }
  return given
}

function bodyThrough(fault: ProxyFault | undefined, cut: () => void): Transform | undefined {
  if (fault?.kind === 'cut-answer') return meter(fault.afterBytes, cut)
  return fault?.kind === 'drip' ? dripper(fault.afterBytes, fault.everyMs) : undefined
}

function pass(turn: Turn, fault: ProxyFault | undefined): void {
  const { incoming, response, target, agent } = turn
  const { method = 'GET', url: path = '/' } = incoming
  const cut = (): void => void incoming.socket.resetAndDestroy()
  const headers = askedHeaders(incoming, fault)
  const upstream = request({ agent, host: target.hostname, port: target.port, method, path, headers, setHost: false })
  upstream.on('error', cut)
  upstream.on('response', (answer) => {
    if (fault?.kind === 'lost-answer') {
      answer.resume()
      answer.on('end', cut)
      return
    }
    answer.on('error', cut)
    const status = fault?.kind === 'head' ? fault.status : undefined
    response.writeHead(status ?? answer.statusCode ?? 502, givenHeaders(answer, fault))
    const through = bodyThrough(fault, cut)
    if (through) response.on('close', () => through.destroy())
    if (through) answer.pipe(through).pipe(response)
    else answer.pipe(response)
  })
  const abandoned = (): void => void upstream.destroy()
  response.on('close', () => {
    if (!response.writableFinished) abandoned()
  })
  if (fault?.kind === 'cut-request') {
    const dropped = meter(fault.afterBytes, () => {
      abandoned()
      cut()
    })
    incoming.pipe(dropped).pipe(upstream)
  } else incoming.pipe(upstream)
}

async function answer({ incoming, response }: Turn, fault: ProxyFault & { readonly kind: 'answer' }): Promise<void> {
  for await (const _chunk of incoming);
  const body = incoming.method === 'HEAD' ? '' : (fault.body ?? '')
  response.writeHead(fault.status, { 'content-type': 'application/xml', 'content-length': Buffer.byteLength(body), ...fault.headers })
  response.end(body)
}

function trickle({ incoming, response }: Turn, everyMs: number): void {
  incoming.resume()
  response.writeHead(200, {
    'content-type': 'application/xml',
    etag: '"00000000000000000000000000000000"',
    'content-length': 1_000_000_000,
  })
  const timer = setInterval(() => response.write(' '), everyMs)
  response.on('close', () => clearInterval(timer))
}

async function handle(turn: Turn, fault: ProxyFault | undefined): Promise<void> {
  switch (fault?.kind) {
    case 'delay':
      await wait(fault.ms)
      return pass(turn, undefined)
    case 'reset':
      turn.incoming.socket.resetAndDestroy()
      return
    case 'answer':
      return answer(turn, fault)
    case 'silence':
      turn.incoming.resume()
      return
    case 'trickle':
      return trickle(turn, fault.everyMs)
    default:
      return pass(turn, fault)
  }
}

export async function startFaultProxy(store: string): Promise<FaultProxy> {
  const target = new URL(store)
  const agent = new Agent({ keepAlive: true })
  const counted = new Map<S3Operation, number>()
  const sockets = new Set<Socket>()
  let rules: { readonly rule: FaultRule; left: number; before: number }[] = []

  const server = createServer({ keepAliveTimeout: 60_000 }, (incoming, response) => {
    const { method = 'GET', url = '/' } = incoming
    const operation = operationOf(method, url)
    counted.set(operation, (counted.get(operation) ?? 0) + 1)
    const found = rules.find(({ rule, left }) => left > 0 && rule.operation === operation && url.includes(rule.path ?? ''))
    const hit = found !== undefined && found.before === 0 ? found : undefined
    if (hit) hit.left--
    else if (found) found.before--
    handle({ incoming, response, target, agent }, hit?.rule.fault).catch(() => incoming.socket.destroy())
  })
  server.on('checkContinue', (incoming: IncomingMessage, response: ServerResponse) => {
    response.writeContinue()
    server.emit('request', incoming, response)
  })
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => undefined)
  })
  const listen = async (port: number): Promise<void> => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  }
  // It must be free again after an outage.
  const port = await freePort()
  await listen(port)
  const down = async (): Promise<void> => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    for (const socket of sockets) socket.resetAndDestroy()
    await closed
  }
  return {
    url: `http://127.0.0.1:${port}`,
    script(...wanted) {
      rules = wanted.map((rule) => ({ rule, left: rule.times ?? 1, before: rule.after ?? 0 }))
    },
    get pending() {
      return rules.reduce((sum, { left }) => sum + (Number.isFinite(left) ? left : 0), 0)
    },
    counts: () => Object.fromEntries(counted),
    down,
    async up() {
      if (!server.listening) await listen(port)
    },
    async close() {
      await down()
      agent.destroy()
    },
  }
}
