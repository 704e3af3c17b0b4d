import type { IncomingMessage } from 'node:http'
import { type ProblemCode, ScoreError } from '../../core/errors.ts'
import { redactText, redactUrl } from '../../core/redact.ts'
import { parseRetryAfter } from '../../http/retry-after.ts'

/** Of an answer that means failure no more than this is read. */
const longestBody = 64 * 1024
const longestQuote = 300
/** An explanation that trickles is not waited for. */
const explanationMs = 5000

/** A failed answer of an object store, as far as it explains itself. */
export interface StoreAnswer {
  readonly method: 'GET' | 'PUT'
  readonly url: string
  readonly status: number
  /** The store's own name of the failure (`<Code>`), such as `SlowDown`. */
  readonly code: string
  readonly message: string
  readonly requestId: string
  /** Where a redirect points to, or the region or endpoint that the store names. */
  readonly elsewhere: string
  readonly retryAfterSeconds?: number
}

function header(response: IncomingMessage, name: string): string {
  const value = response.headers[name]
  return (Array.isArray(value) ? value[0] : value) ?? ''
}

function unescapeXml(text: string): string {
  const names: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' }
  return text.replace(/&(lt|gt|quot|apos|amp);/g, (_, name: string) => names[name] as string)
}

function element(body: string, name: string): string {
  const found = new RegExp(`<${name}>([^<]*)</${name}>`, 'i').exec(body)?.[1]
  return found === undefined ? '' : unescapeXml(found).replace(/\s+/g, ' ').trim()
}

export function isHtml(response: IncomingMessage, body = ''): boolean {
  return /^text\/html\b/i.test(header(response, 'content-type')) || /^\s*<(!doctype html|html)\b/i.test(body)
}

/** The start of the answer's body; what can be had of it when the connection breaks or it does not end in time. */
export function readExplanation(response: IncomingMessage): Promise<string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let size = 0
    const finish = (): void => {
      clearTimeout(timer)
      resolve(Buffer.concat(chunks).toString('utf8'))
    }
    const timer = setTimeout(finish, explanationMs)
    response.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size <= longestBody) chunks.push(chunk)
      else finish()
    })
    response.once('end', finish)
    response.once('error', finish)
    response.once('close', finish)
  })
}

function plainText(body: string): string {
  return /^\s*</.test(body) ? '' : body.replace(/\s+/g, ' ').trim()
}

export function describeAnswer(method: 'GET' | 'PUT', url: string, response: IncomingMessage, body: string, nowMs: number): StoreAnswer {
  const page = isHtml(response, body)
  const retryAfterSeconds = parseRetryAfter(header(response, 'retry-after') || null, nowMs)
  return {
    method,
    url,
    status: response.statusCode ?? 0,
    code: page ? '' : element(body, 'Code') || header(response, 'x-ms-error-code'),
    message: page ? 'a web page, so a proxy may stand between' : element(body, 'Message') || plainText(body),
    requestId: header(response, 'x-amz-request-id') || header(response, 'x-ms-request-id') || element(body, 'RequestId'),
    elsewhere: element(body, 'Endpoint') || header(response, 'x-amz-bucket-region') || redactUrl(header(response, 'location')),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  }
}

interface Verdict {
  readonly code: ProblemCode
  /** What to do, or what it means. */
  readonly hint?: string
}

const clockHint = 'the clocks of this machine and of the store differ'
const signatureHint = 'the signature was refused: a proxy may rewrite the host or the path, or the service holds wrong keys'

/** The store's own code decides first; most have one meaning whatever status they come with. */
const verdictsByCode: Readonly<Record<string, Verdict>> = {
  ExpiredToken: { code: 'url-expired' },
  RequestExpired: { code: 'url-expired' },
  RequestTimeTooSkewed: { code: 'access-denied', hint: clockHint },
  SignatureDoesNotMatch: { code: 'access-denied', hint: signatureHint },
  InvalidAccessKeyId: { code: 'access-denied', hint: 'the store does not know the key that the service signed with' },
  RequestTimeout: { code: 'unavailable' },
  IncompleteBody: { code: 'unavailable' },
  SlowDown: { code: 'unavailable' },
  BadDigest: { code: 'checksum-mismatch', hint: 'the bytes changed on the way' },
  Md5Mismatch: { code: 'checksum-mismatch', hint: 'the bytes changed on the way' },
  NoSuchUpload: { code: 'upload-not-found', hint: 'the upload was finished or dropped' },
  NoSuchBucket: { code: 'store-protocol', hint: 'the service signs for a bucket that the store does not have' },
  ContainerNotFound: { code: 'store-protocol', hint: 'the service signs for a container that the store does not have' },
  InvalidBlobOrBlock: {
    code: 'already-running',
    hint: 'another program has begun an upload to this object; Azure forgets it after a week',
  },
  BlockCountExceedsLimit: {
    code: 'already-running',
    hint: 'uploads that were given up fill the place of this object; Azure forgets them after a week',
  },
}

const verdictsByStatus: Readonly<Record<number, Verdict>> = {
  401: { code: 'access-denied' },
  403: { code: 'url-expired', hint: 'the URL may have expired' },
  408: { code: 'unavailable' },
  409: { code: 'unavailable' },
  412: { code: 'object-changed', hint: 'the object was replaced in the meantime; start over' },
  416: { code: 'invalid-range', hint: 'the object is shorter than was known' },
  417: { code: 'unavailable' },
  423: { code: 'unavailable' },
  425: { code: 'unavailable' },
  429: { code: 'unavailable' },
  501: { code: 'store-protocol' },
  505: { code: 'store-protocol' },
}

/** Azurite's way to say `Md5Mismatch`; on Azure the code is about other things. */
function isAzuriteMismatch({ code, message }: StoreAnswer): boolean {
  return code === 'InvalidOperation' && message.includes('contentMD5')
}

function verdictOn(answer: StoreAnswer): Verdict {
  if (isAzuriteMismatch(answer)) return verdictsByCode['Md5Mismatch'] as Verdict
  const byCode = verdictsByCode[answer.code]
  if (byCode) return byCode
  const { status } = answer
  if (status >= 300 && status < 400) {
    const where = answer.elsewhere ? ` (${answer.elsewhere})` : ''
    return { code: 'store-protocol', hint: `redirects are never followed; the service signs for the wrong region or endpoint${where}` }
  }
  if (status === 404) return { code: answer.method === 'PUT' ? 'upload-not-found' : 'object-not-found' }
  return verdictsByStatus[status] ?? { code: status >= 500 ? 'unavailable' : 'store-protocol' }
}

/** What an answer that is no success means (transfer.md 8.4), in words that quote the store. */
export function answerError(answer: StoreAnswer): ScoreError {
  const { code, hint } = verdictOn(answer)
  const said = [answer.code, answer.message].filter(Boolean).join(': ')
  const id = answer.requestId ? ` (request ${answer.requestId})` : ''
  const quote = redactText(`${said.slice(0, longestQuote)}${id}`)
  const message = `${answer.method} ${redactUrl(answer.url)} was answered with status ${answer.status}${quote ? `, ${quote}` : ''}${hint ? `; ${hint}` : ''}`
  return new ScoreError(code, message, {
    cause: { status: answer.status, code: answer.code },
    ...(answer.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: answer.retryAfterSeconds }),
  })
}
