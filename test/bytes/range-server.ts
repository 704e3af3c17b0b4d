import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseHttpRange } from '../../src/core/byte-range.ts'

export interface Asked {
  readonly range: string
  readonly ifMatch: string | undefined
  readonly url: string
  /** Requests before it. */
  readonly number: number
  readonly response: ServerResponse
}

export interface RangeServer {
  readonly url: string
  readonly asked: Asked[]
  /** Takes a request over when it gives true. */
  trouble: (asked: Asked) => boolean
  answer(asked: Asked): void
  bytes: Uint8Array
  etag: string | undefined
  close(): Promise<void>
}

/** A store that answers ranged reads of one object, and can be told to misbehave. */
export async function startRangeServer(bytes: Uint8Array): Promise<RangeServer> {
  const server = createServer((request: IncomingMessage, response) => {
    const { range = '', 'if-match': ifMatch } = request.headers
    const asked: Asked = { range, ifMatch, url: request.url ?? '', number: state.asked.length, response }
    state.asked.push(asked)
    if (!state.trouble(asked)) answer(asked)
  })
  const answer = ({ range, ifMatch, response }: Asked): void => {
    if (ifMatch !== undefined && ifMatch !== state.etag) return void response.writeHead(412).end()
    if (state.bytes.length === 0) return void response.writeHead(416, { 'content-range': 'bytes */0' }).end()
    const { start, end } = parseHttpRange(range, state.bytes.length) ?? { start: 0, end: state.bytes.length }
    response.writeHead(206, {
      'content-range': `bytes ${start}-${end - 1}/${state.bytes.length}`,
      'content-length': end - start,
      ...(state.etag !== undefined && { etag: state.etag }),
    })
    response.end(state.bytes.subarray(start, end))
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const state: RangeServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/o/a%2Fb?X-Amz-Signature=s%2Fecret'~`,
    asked: [],
    trouble: () => false,
    answer,
    bytes,
    etag: '"one"',
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return state
}
