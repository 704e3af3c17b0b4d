import type { IncomingMessage, Server, ServerResponse } from 'node:http'

const waiting = new WeakSet<IncomingMessage>()

/**
 * A client that asks before it sends (`Expect: 100-continue`) is told to go on only when its body is wanted, so that no
 * part travels for nothing when its URL has run out. Bodies outside of `storePath` are asked for at once, as node:http does.
 */
export function deferContinue(server: Server, storePath: string): void {
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    if (request.method === 'PUT' && request.url?.startsWith(storePath)) waiting.add(request)
    else response.writeContinue()
    server.emit('request', request, response)
  })
}

/** Whether the client still waits to be told to send. */
export function awaitsContinue(request: IncomingMessage): boolean {
  return waiting.has(request)
}

/** The body, asked for when it is first read. */
export function bodyOf(request: IncomingMessage, response: ServerResponse): AsyncIterable<Uint8Array> {
  if (!waiting.has(request)) return request
  return (async function* () {
    waiting.delete(request)
    response.writeContinue()
    yield* request as AsyncIterable<Buffer>
  })()
}
