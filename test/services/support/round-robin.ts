import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface RoundRobinOptions {
  /** Told before a request is passed on, and once it is on its way; `count` counts all requests from 1. */
  readonly onRequest?: (moment: 'before' | 'during' | 'after', server: number, count: number) => Promise<void>
}

export interface RoundRobin {
  readonly url: string
  /** Ports of the servers; `undefined` for one that is left out. */
  serve(ports: readonly (number | undefined)[]): void
  close(): Promise<void>
}

function pass(incoming: IncomingMessage, answer: ServerResponse, port: number): Promise<void> {
  return new Promise((done) => {
    const { method, url, headers } = incoming
    const onward = request({ host: '127.0.0.1', port, method, path: url, headers, agent: false }, (reply) => {
      answer.writeHead(reply.statusCode ?? 502, reply.headers)
      reply.pipe(answer)
      reply.once('error', () => answer.destroy())
      reply.once('close', done)
    })
    onward.once('error', () => {
      if (answer.headersSent) answer.destroy()
      else answer.writeHead(502).end()
      done()
    })
    incoming.pipe(onward)
  })
}

/** As a site has it before its servers: each request to the next one, 502 when that one is gone, and no second try. */
export async function startRoundRobin({ onRequest }: RoundRobinOptions = {}): Promise<RoundRobin> {
  let ports: readonly (number | undefined)[] = []
  let next = 0
  let count = 0
  const choose = (): number | undefined => {
    for (let tried = 0; tried < ports.length; tried++) {
      const index = next++ % ports.length
      if (ports[index] !== undefined) return index
    }
    return undefined
  }
  const server = createServer(async (incoming, answer) => {
    const index = choose()
    if (index === undefined) {
      answer.writeHead(503).end()
      return
    }
    count += 1
    const mine = count
    const port = ports[index] as number
    await onRequest?.('before', index, mine)
    const passed = pass(incoming, answer, port)
    await onRequest?.('during', index, mine)
    await passed
    await onRequest?.('after', index, mine)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    serve: (changed) => {
      ports = changed
    },
    async close() {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}
