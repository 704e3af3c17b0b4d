import type { ClientRequest, Agent as HttpAgent, IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Network } from '../../http/network.ts'
import { keepReadBuffers } from '../../http/read-buffers.ts'
import type { RequestTarget } from '../../http/request-target.ts'
import { createRequester } from '../../http/requester.ts'

/** Idle connections are closed after this time: some servers close theirs after 5 s, and a request would run into it. */
const idleMs = 4000
/** A server's own limit (`Keep-Alive: timeout=n`) is undercut by this much. */
const idleMarginMs = 1000

/** Kept connections that may turn out closed in a row before that counts as a failure. */
export const mostStaleConnections = 3

export interface Connections {
  request(method: 'GET' | 'PUT', target: RequestTarget, headers: Readonly<Record<string, string | number>>): ClientRequest
  /** Closes what is idle: the next request gets a new connection. */
  dropIdle(): void
  close(): void
}

export interface ConnectionsOptions {
  readonly network?: Network
  /** Idle connections kept per store. */
  readonly idle: number
}

/** Limits that servers gave for their connections, in milliseconds. */
type IdleLimits = WeakMap<Duplex, number>

function noteLimit(limits: IdleLimits, request: ClientRequest, response: IncomingMessage): void {
  const hint = /(?:^|[ ,])timeout=(\d+)/i.exec(String(response.headers['keep-alive'] ?? ''))?.[1]
  if (hint !== undefined && request.socket) limits.set(request.socket, Math.max(1, Number(hint) * 1000 - idleMarginMs))
}

function respectLimits(agent: HttpAgent, limits: IdleLimits): void {
  const keep: (socket: Duplex) => unknown = agent.keepSocketAlive.bind(agent)
  const keepSocketAlive = (socket: Duplex): unknown => {
    const kept = keep(socket)
    const limit = limits.get(socket)
    if (limit !== undefined && limit < idleMs && socket instanceof Socket) socket.setTimeout(limit)
    return kept
  }
  Object.assign(agent, { keepSocketAlive })
}

export function createConnections(options: ConnectionsOptions): Connections {
  const common = {
    keepAlive: true,
    scheduling: 'lifo',
    maxFreeSockets: options.idle,
    timeout: idleMs,
    noDelay: true,
    autoSelectFamily: true,
  } as const
  const limits: IdleLimits = new WeakMap()
  const requester = createRequester({
    agent: common,
    ...(options.network ? { network: options.network } : {}),
    tune(agent, direct) {
      respectLimits(agent, limits)
      if (direct) keepReadBuffers(agent)
    },
  })
  return {
    request(method, target, headers) {
      const request = requester.request(target, { method, headers })
      request.once('response', (response) => noteLimit(limits, request, response))
      return request
    },
    dropIdle() {
      for (const agent of requester.agents) {
        for (const sockets of Object.values(agent.freeSockets)) for (const socket of [...(sockets ?? [])]) socket.destroy()
      }
    },
    close() {
      requester.destroy()
    },
  }
}
