import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import type { Duplex } from 'node:stream'

export interface ForwardProxy {
  /** With user and password, percent-encoded, where the proxy wants them. */
  readonly url: string
  /** `CONNECT store.test:443` and `GET http://store.test/path`, in order of arrival. */
  readonly seen: readonly string[]
  close(): Promise<void>
}

export interface ForwardProxyOptions {
  /** Where names lead that only this proxy knows; any other host is refused with 403. */
  readonly hosts: Readonly<Record<string, number>>
  readonly credentials?: string
  /** Answer to each CONNECT, in place of a tunnel. */
  readonly refuseWith?: number
}

/** An HTTP proxy: tunnels for `https:`, whole addresses for `http:`. It knows hosts that no name server knows. */
export async function startForwardProxy({ hosts, credentials, refuseWith }: ForwardProxyOptions): Promise<ForwardProxy> {
  const seen: string[] = []
  const wanted = credentials === undefined ? undefined : `Basic ${Buffer.from(decodeURIComponent(credentials)).toString('base64')}`
  const refused = (message: IncomingMessage): boolean => wanted !== undefined && message.headers['proxy-authorization'] !== wanted
  const pass = (message: IncomingMessage, response: ServerResponse): void => {
    seen.push(`${message.method} ${message.url}`)
    if (refused(message)) return void response.writeHead(407).end()
    const target = new URL(message.url ?? '')
    const port = hosts[target.hostname]
    if (port === undefined) return void response.writeHead(403).end()
    const path = (message.url ?? '').replace(/^http:\/\/[^/]*/, '')
    const { 'proxy-authorization': _, ...headers } = message.headers
    const onward = request({ host: '127.0.0.1', port, method: message.method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    onward.on('error', () => response.destroy())
    message.pipe(onward)
  }
  const server = createServer(pass)
  const tunnels = new Set<Duplex>()
  server.on('connect', (message: IncomingMessage, socket: Duplex) => {
    seen.push(`CONNECT ${message.url}`)
    tunnels.add(socket)
    socket.once('close', () => tunnels.delete(socket)).on('error', () => {})
    const port = hosts[(message.url ?? '').replace(/:\d+$/, '')]
    const status = refused(message) ? 407 : (refuseWith ?? (port === undefined ? 403 : 200))
    if (status !== 200 || port === undefined) return void socket.end(`HTTP/1.1 ${status} No\r\nContent-Length: 0\r\n\r\n`)
    const onward = connect(port, '127.0.0.1', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'))
    onward.on('error', () => socket.destroy())
    socket.on('close', () => onward.destroy())
    socket.pipe(onward).pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const authority = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: `http://${credentials === undefined ? '' : `${credentials}@`}${authority}`,
    seen,
    async close() {
      for (const socket of tunnels) socket.destroy()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
