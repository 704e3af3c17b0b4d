import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** One exchange that was seen with the original's server (test/fixtures/wire). */
export interface RecordedCall {
  readonly case?: string
  readonly method: string
  readonly url: string
  readonly status: number
  /** Whether it was asked with a token. */
  readonly token: boolean
  readonly contentType?: string
  readonly response?: Readonly<Record<string, string>>
  readonly requestBody?: string
  readonly responseBody: string
}

export function recordedCalls(name: string): RecordedCall[] {
  const text = readFileSync(join(import.meta.dirname, '../fixtures/wire', name), 'utf8')
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as RecordedCall)
}

/** Path and query with its parameters in one order: servers don't mind theirs. */
function target(url: string): string {
  const { pathname, searchParams } = new URL(url, 'http://peer')
  searchParams.sort()
  return `${pathname}?${searchParams}`
}

function responseOf(call: RecordedCall): Response {
  const headers = new Headers(call.response)
  if (call.contentType !== undefined) headers.set('content-type', call.contentType)
  return new Response(call.responseBody === '' ? null : call.responseBody, { status: call.status, headers })
}

/** Answers as it was recorded; what was never recorded is a failure of the test. `asked` lists what was asked for. */
export function replay(calls: readonly RecordedCall[]): { readonly fetch: typeof fetch; readonly asked: string[] } {
  const asked: string[] = []
  return {
    asked,
    fetch: async (input, init) => {
      const request = new Request(input, init)
      const { pathname, search } = new URL(request.url)
      asked.push(`${request.method} ${pathname}${search}`)
      const token = request.headers.has('authorization')
      const fitting = calls.filter((call) => call.method === request.method && target(call.url) === target(request.url))
      const call = fitting.find((candidate) => candidate.token === token) ?? fitting[0]
      if (!call) throw new Error(`not recorded: ${request.method} ${request.url}`)
      return responseOf(call)
    },
  }
}
