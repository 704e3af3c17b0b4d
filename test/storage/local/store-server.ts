import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { LocalDataPlane } from '../../../src/storage/local/data-plane.ts'

export interface StoreServer {
  readonly url: string
  close(): Promise<void>
}

/** A data plane on node:http, as small as it can be: what an adapter must do, and no more. */
export async function serveStore(prefix: string, plane: () => LocalDataPlane): Promise<StoreServer> {
  const server: Server = createServer((request, response) => {
    const { pathname, search } = new URL(request.url ?? '', 'http://store')
    const path = pathname.slice(prefix.length)
    void plane()
      .handle({ method: request.method ?? '', path, query: search, headers: request.headers, body: request })
      .then(async (answer) => {
        response.writeHead(answer.status, answer.headers)
        if (answer.body === undefined || answer.body instanceof Uint8Array) response.end(answer.body)
        else await pipeline(Readable.from(answer.body, { objectMode: false, highWaterMark: 1 }), response)
      })
      .catch(() => response.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${prefix}`,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
