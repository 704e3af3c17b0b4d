import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { connect as connectSecure } from 'node:tls'
import { type Network, proxyOf, trustedAuthorities } from '../http/network.ts'
import { parseTarget, type RequestTarget } from '../http/request-target.ts'
import { requestText } from './plain-answer.ts'
import { createRangeExchange, type ExchangeResult, type RangeExchange, type SocketRead } from './range-exchange.ts'

/**
 * Ranged reads without an HTTP library between the socket and whoever takes the bytes: a body is read right into the memory
 * that it is for, and nothing is allocated for it, which halves the cost of a byte. It understands plain answers only.
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
  exchange: RangeExchange | undefined
}

/** For heads, and the first of a body with them; what is behind it goes to its own place. */
const scratchBytes = 16 * 1024
/** Below the limit of common servers: a request must not run into the end of its connection. */
const idleMs = 4000
const mostStale = 3

export function createRangeSockets({ network, idle }: RangeSocketsOptions): RangeSockets {
  const ca = trustedAuthorities(network?.ca)
  const kept = new Map<string, Connection[]>()
  const all = new Set<Socket>()
  let closed = false
  /** Of all connections: what is read is looked at before anything else is read. */
  const scratch = Buffer.allocUnsafeSlow(scratchBytes)

  const connect = ({ secure, host, port }: RequestTarget, key: string): Connection => {
    const onread = {
      buffer: (): Uint8Array => {
        const space = connection?.exchange?.space()
        return space === undefined || space.length === 0 ? scratch : space
      },
      callback(count: number, buffer: Uint8Array): boolean {
        if (connection?.exchange) connection.exchange.feed(Buffer.from(buffer.buffer, buffer.byteOffset, count))
        else socket.destroy()
        return true
      },
    }
    const common = { host, port, noDelay: true, autoSelectFamily: true, onread }
    const servername = isIP(host) === 0 ? { servername: host } : {}
    // Memory is asked for before it is there.
    let connection: Connection | undefined
    const socket = secure
      ? connectSecure({ ...common, ...servername, ...(ca && { ca }), ALPNProtocols: ['http/1.1'] })
      : connectPlain(common)
    const made: Connection = { socket, key, used: false, exchange: undefined }
    connection = made
    all.add(socket)
    socket.on('error', (error) => made.exchange?.fail(error))
    socket.on('end', () => socket.destroy())
    socket.on('close', () => {
      all.delete(socket)
      const list = kept.get(key)
      const at = list?.indexOf(made) ?? -1
      if (at >= 0) list?.splice(at, 1)
      made.exchange?.fail(Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' }))
    })
    socket.on('timeout', () => {
      if (!made.exchange) socket.destroy()
    })
    return made
  }

  const free = (connection: Connection, reusable: boolean): void => {
    connection.exchange = undefined
    const list = kept.get(connection.key) ?? []
    if (!reusable || closed || list.length >= idle) return void connection.socket.destroy()
    connection.used = true
    connection.socket.setTimeout(idleMs)
    list.push(connection)
    kept.set(connection.key, list)
  }

  const exchange = (connection: Connection, target: RequestTarget, request: SocketRead): Promise<ExchangeResult> =>
    new Promise((settle, refuse) => {
      const { socket, used } = connection
      connection.exchange = createRangeExchange(request, {
        used,
        idleMs,
        free: (reusable) => free(connection, reusable),
        settle,
        refuse,
      })
      socket.setTimeout(0)
      socket.write(requestText(target, request.headers), 'latin1')
    })

  return {
    async read(request) {
      const target = parseTarget(request.url)
      if (proxyOf(target, network?.proxies) !== undefined) return false
      const key = `${target.secure} ${target.host} ${target.port}`
      for (let stale = 0; ; stale += 1) {
        request.signal.throwIfAborted()
        const connection = (stale < mostStale ? kept.get(key)?.pop() : undefined) ?? connect(target, key)
        const result = await exchange(connection, target, request)
        if (result !== 'stale') return result === 'plain'
      }
    },
    close() {
      closed = true
      for (const socket of all) socket.destroy()
    },
  }
}
