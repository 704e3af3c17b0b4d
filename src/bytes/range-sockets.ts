import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { connect as connectSecure } from 'node:tls'
import { ScoreError } from '../core/errors.ts'
import { redactUrl } from '../core/redact.ts'
import { type Network, proxyOf, trustedAuthorities } from '../http/network.ts'
import { networkError } from '../http/network-error.ts'
import { parseTarget, type RequestTarget } from '../http/request-target.ts'

/** The head of an answer, names in lower case; of a name that comes twice the last. */
export interface AnswerHead {
  readonly statusCode: number
  readonly headers: Readonly<Record<string, string>>
}

export interface SocketRead {
  /** Sent character for character. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** Told of the head of a plain answer: a 206 whose body has the length that it says. Throws to refuse it. */
  readonly onHead: (head: AnswerHead) => void
  /** Given the body as it comes; it must copy what it keeps, and may throw to end it. */
  readonly take: (piece: Uint8Array) => void
  /** Without a byte for so long, connecting included, it fails. */
  readonly stallSeconds: number
  readonly signal: AbortSignal
}

/**
 * Ranged reads without an HTTP library between the socket and whoever takes the bytes: nothing is allocated for a body, which
 * halves the cost of a byte. It understands plain answers only.
 */
export interface RangeSockets {
  /**
   * @returns false, before anything was taken, for an answer that is not plain, and for a host behind a proxy: the same request
   *   can be sent by a client that understands more.
   * @throws `unavailable` when the connection breaks; what `onHead` and `take` throw; the signal's reason.
   */
  read(request: SocketRead): Promise<boolean>
  close(): void
}

export interface RangeSocketsOptions {
  readonly network?: Network
  /** Idle connections kept for each host. */
  readonly idle: number
}

interface Connection {
  readonly socket: Socket
  readonly key: string
  used: boolean
  /** Absent while it is idle. */
  exchange: Exchange | undefined
}

interface Exchange {
  feed(bytes: Buffer): void
  fail(error: Error): void
}

const readBytes = 128 * 1024
const longestHead = 64 * 1024
/** Below the limit of common servers: a request must not run into the end of its connection. */
const idleMs = 4000
const mostStale = 3

function headText({ host, port, secure, path }: RequestTarget, headers: Readonly<Record<string, string>>): string {
  const name = isIP(host) === 6 ? `[${host}]` : host
  const authority = port === (secure ? 443 : 80) ? name : `${name}:${port}`
  const lines = Object.entries(headers).map(([field, value]) => `${field}: ${value}\r\n`)
  return `GET ${path} HTTP/1.1\r\nhost: ${authority}\r\nconnection: keep-alive\r\n${lines.join('')}\r\n`
}

function parseHead(text: string): AnswerHead | undefined {
  const [status = '', ...lines] = text.split('\r\n')
  const code = /^HTTP\/1\.1 (\d{3})(?: |$)/.exec(status)?.[1]
  if (code === undefined) return undefined
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const at = line.indexOf(':')
    if (at < 1) return undefined
    headers[line.slice(0, at).toLowerCase()] = line.slice(at + 1).trim()
  }
  return { statusCode: Number(code), headers }
}

function isPlain({ statusCode, headers }: AnswerHead): boolean {
  return statusCode === 206 && /^\d{1,15}$/.test(headers['content-length'] ?? '') && headers['transfer-encoding'] === undefined
}

/** Whether the server lets the connection stand for as long as we would keep it. */
function staysOpen({ headers }: AnswerHead): boolean {
  const limit = /(?:^|[ ,])timeout=(\d+)/i.exec(headers['keep-alive'] ?? '')?.[1]
  return !/close/i.test(headers['connection'] ?? '') && (limit === undefined || Number(limit) * 1000 > idleMs)
}

export function createRangeSockets({ network, idle }: RangeSocketsOptions): RangeSockets {
  const ca = trustedAuthorities(network?.ca)
  const kept = new Map<string, Connection[]>()
  const all = new Set<Socket>()
  let closed = false

  const connect = ({ secure, host, port }: RequestTarget, key: string): Connection => {
    const onread = {
      buffer: Buffer.allocUnsafeSlow(readBytes),
      callback(count: number, buffer: Uint8Array): boolean {
        const bytes = Buffer.from(buffer.buffer, buffer.byteOffset, count)
        if (connection.exchange) connection.exchange.feed(bytes)
        else socket.destroy()
        return true
      },
    }
    const common = { host, port, noDelay: true, autoSelectFamily: true, onread }
    const servername = isIP(host) === 0 ? { servername: host } : {}
    const socket = secure
      ? connectSecure({ ...common, ...servername, ...(ca && { ca }), ALPNProtocols: ['http/1.1'] })
      : connectPlain(common)
    const connection: Connection = { socket, key, used: false, exchange: undefined }
    all.add(socket)
    socket.on('error', (error) => connection.exchange?.fail(error))
    socket.on('end', () => socket.destroy())
    socket.on('close', () => {
      all.delete(socket)
      const list = kept.get(key)
      const at = list?.indexOf(connection) ?? -1
      if (at >= 0) list?.splice(at, 1)
      connection.exchange?.fail(Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' }))
    })
    socket.on('timeout', () => {
      if (!connection.exchange) socket.destroy()
    })
    return connection
  }

  const keep = (connection: Connection): void => {
    const list = kept.get(connection.key) ?? []
    if (closed || list.length >= idle) return void connection.socket.destroy()
    connection.used = true
    connection.socket.setTimeout(idleMs)
    list.push(connection)
    kept.set(connection.key, list)
  }

  /** @returns undefined when a kept connection turned out closed before it answered */
  const exchange = (connection: Connection, target: RequestTarget, request: SocketRead): Promise<boolean | undefined> =>
    new Promise((resolve, reject) => {
      const { socket } = connection
      const { signal, stallSeconds, url } = request
      let head: Buffer | undefined
      let left = -1
      let stays = true
      const settle = (work: () => void): void => {
        connection.exchange = undefined
        clearTimeout(timer)
        signal.removeEventListener('abort', abort)
        work()
      }
      const drop = (work: () => void): void =>
        settle(() => {
          socket.destroy()
          work()
        })
      const abort = (): void => drop(() => reject(signal.reason))
      const timer = setTimeout(
        () =>
          drop(() =>
            reject(new ScoreError('unavailable', `${redactUrl(url)}: no byte came for ${stallSeconds} s; the store may be overloaded`)),
          ),
        stallSeconds * 1000,
      )
      const body = (bytes: Buffer): void => {
        request.take(bytes.length > left ? bytes.subarray(0, left) : bytes)
        left -= bytes.length
        if (left > 0) return
        if (left < 0 || !stays) drop(() => resolve(true))
        else
          settle(() => {
            keep(connection)
            resolve(true)
          })
      }
      const feedHead = (bytes: Buffer): void => {
        head = head === undefined ? Buffer.from(bytes) : Buffer.concat([head, bytes])
        const end = head.indexOf('\r\n\r\n')
        if (end < 0 && head.length < longestHead) return
        const told = end < 0 ? undefined : parseHead(head.toString('latin1', 0, end))
        if (told === undefined || !isPlain(told)) {
          drop(() => resolve(false))
          return
        }
        request.onHead(told)
        stays = staysOpen(told)
        left = Number(told.headers['content-length'])
        const rest = head.subarray(end + 4)
        if (rest.length > 0 || left === 0) body(rest)
      }
      connection.exchange = {
        feed(bytes) {
          timer.refresh()
          try {
            if (left < 0) feedHead(bytes)
            else body(bytes)
          } catch (error) {
            drop(() => reject(error))
          }
        },
        fail(error) {
          const stale = connection.used && head === undefined
          drop(() => (stale ? resolve(undefined) : reject(networkError(error, url))))
        },
      }
      signal.addEventListener('abort', abort, { once: true })
      socket.setTimeout(0)
      socket.write(headText(target, request.headers), 'latin1')
    })

  return {
    async read(request) {
      const target = parseTarget(request.url)
      if (proxyOf(target, network?.proxies) !== undefined) return false
      const key = `${target.secure} ${target.host} ${target.port}`
      for (let stale = 0; ; stale += 1) {
        request.signal.throwIfAborted()
        const connection = (stale < mostStale ? kept.get(key)?.pop() : undefined) ?? connect(target, key)
        const plain = await exchange(connection, target, request)
        if (plain !== undefined) return plain
      }
    },
    close() {
      closed = true
      for (const socket of all) socket.destroy()
    },
  }
}
