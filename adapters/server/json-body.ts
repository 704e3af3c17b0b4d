import type { IncomingMessage } from 'node:http'

/** What came as a request's body, or why it cannot be taken. */
export type JsonBody =
  | { readonly type: 'json'; readonly value: unknown }
  | { readonly type: 'empty' }
  | { readonly type: 'not-json' }
  | { readonly type: 'wrong-type'; readonly contentType: string }
  | { readonly type: 'too-large' }

async function readLimited(request: IncomingMessage, limitBytes: number): Promise<Buffer | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > limitBytes) return undefined
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > limitBytes) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** Reads a JSON body of at most `limitBytes`. An empty body is empty whatever its type says. */
export async function readJsonBody(request: IncomingMessage, limitBytes: number): Promise<JsonBody> {
  const bytes = await readLimited(request, limitBytes)
  if (bytes === undefined) return { type: 'too-large' }
  if (bytes.length === 0) return { type: 'empty' }
  const contentType = request.headers['content-type'] ?? ''
  if (!/^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i.test(contentType)) return { type: 'wrong-type', contentType }
  try {
    return { type: 'json', value: JSON.parse(bytes.toString('utf8')) }
  } catch (error) {
    if (error instanceof SyntaxError) return { type: 'not-json' }
    throw error
  }
}
