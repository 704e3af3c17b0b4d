import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

/** One answer of a store that does what a healthy one never would. */
export interface ScriptedAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** Cuts the connection after so many bytes of the body; 0 = without any answer. */
  readonly cutAfter?: number
  /** Falls silent after so many bytes of the body, without an end; 0 = without any answer. */
  readonly silentAfter?: number
}

export interface SeenRequest {
  readonly method: string
  /** Path and query. */
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

export interface ScriptedStore {
  readonly endpoint: string
  readonly requests: readonly SeenRequest[]
  /** The answers to come, in order; the last one stays. */
  will(...answers: readonly ScriptedAnswer[]): void
  close(): Promise<void>
}

/** `<Error>` as every S3 store writes it. */
export function errorBody(code: string, message = 'said the store', more = ''): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message>${more}<RequestId>R1</RequestId></Error>`
}

function send(response: ServerResponse, { status, headers = {}, body = '', cutAfter, silentAfter }: ScriptedAnswer): void {
  if (silentAfter === 0) return
  if (cutAfter === 0) {
    response.socket?.destroy()
    return
  }
  response.writeHead(status, { 'content-length': String(Buffer.byteLength(body)), 'x-amz-request-id': 'R1', ...headers })
  if (silentAfter !== undefined) response.write(body.slice(0, silentAfter))
  else if (cutAfter === undefined) response.end(body)
  else response.write(body.slice(0, cutAfter), () => response.socket?.destroy())
}

export async function startScriptedStore(): Promise<ScriptedStore> {
  const requests: SeenRequest[] = []
  let script: readonly ScriptedAnswer[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { method = '', url = '', headers } = request
      requests.push({ method, url, headers, body: Buffer.concat(chunks).toString() })
      const [answer, ...rest] = script
      if (rest.length > 0) script = rest
      send(response, answer ?? { status: 500, body: errorBody('InternalError', 'nothing was scripted') })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port was given')
  return {
    endpoint: `http://127.0.0.1:${address.port}`,
    requests,
    will(...answers) {
      script = answers
      requests.length = 0
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
