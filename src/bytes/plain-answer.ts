import { isIP } from 'node:net'
import type { RequestTarget } from '../http/request-target.ts'

/** The head of an answer, names in lower case; of a name that comes twice the last. */
export interface AnswerHead {
  readonly statusCode: number
  readonly headers: Readonly<Record<string, string>>
}

export function requestText({ host, port, secure, path }: RequestTarget, headers: Readonly<Record<string, string>>): string {
  const name = isIP(host) === 6 ? `[${host}]` : host
  const authority = port === (secure ? 443 : 80) ? name : `${name}:${port}`
  const lines = Object.entries(headers).map(([field, value]) => `${field}: ${value}\r\n`)
  return `GET ${path} HTTP/1.1\r\nhost: ${authority}\r\nconnection: keep-alive\r\n${lines.join('')}\r\n`
}

/** @returns undefined for what is no head of HTTP/1.1 */
export function parseHead(text: string): AnswerHead | undefined {
  const [status = '', ...lines] = text.split('\r\n')
  const code = /^HTTP\/1\.1 (\d{3})(?: |$)/.exec(status)?.[1]
  if (code === undefined) return undefined
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const at = line.indexOf(':')
    if (at < 1) return undefined
    headers[line.slice(0, at).toLowerCase()] = line.slice(at + 1).trim()
  }
  return { statusCode: Number(code), headers }
}

/** Whether it is part of an object, of a length that is told. */
export function isPlain({ statusCode, headers }: AnswerHead): boolean {
  return statusCode === 206 && /^\d{1,15}$/.test(headers['content-length'] ?? '') && headers['transfer-encoding'] === undefined
}

/** Whether the server lets the connection stand for `idleMs`. */
export function staysOpen({ headers }: AnswerHead, idleMs: number): boolean {
  const limit = /(?:^|[ ,])timeout=(\d+)/i.exec(headers['keep-alive'] ?? '')?.[1]
  return !/close/i.test(headers['connection'] ?? '') && (limit === undefined || Number(limit) * 1000 > idleMs)
}
