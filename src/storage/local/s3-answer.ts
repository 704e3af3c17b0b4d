import type { ObjectStat } from '../storage-backend.ts'

/** An HTTP answer as plain data. Header names are in lower case. */
export interface DataPlaneAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>
}

const statuses = {
  AccessDenied: 403,
  BadDigest: 400,
  EntityTooLarge: 400,
  IncompleteBody: 400,
  InsufficientStorage: 507,
  InternalError: 500,
  InvalidArgument: 400,
  InvalidDigest: 400,
  InvalidRange: 416,
  MethodNotAllowed: 405,
  MissingContentLength: 411,
  NoSuchKey: 404,
  NoSuchUpload: 404,
  PreconditionFailed: 412,
  SignatureDoesNotMatch: 403,
  SlowDown: 503,
} as const

export type S3ErrorCode = keyof typeof statuses

export interface S3Failure {
  readonly code: S3ErrorCode
  readonly message: string
  /** More elements of the body, such as `Expires`. */
  readonly details?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
}

function escapeXml(text: string): string {
  const safe = text.replace(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '\uFFFD')
  return safe.replace(/[<>&"']/g, (char) => `&#${char.charCodeAt(0)};`)
}

/** The body that S3 gives with an error. */
export function failureAnswer(
  failure: S3Failure,
  request: { readonly resource: string; readonly id: string; readonly isHead: boolean },
): DataPlaneAnswer {
  const elements = { Code: failure.code, Message: failure.message, ...failure.details, Resource: request.resource, RequestId: request.id }
  const inner = Object.entries(elements).map(([name, text]) => `<${name}>${escapeXml(text)}</${name}>`)
  const body = Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>\n<Error>${inner.join('')}</Error>`)
  const headers = {
    'content-type': 'application/xml',
    'content-length': String(body.length),
    'x-amz-request-id': request.id,
    ...failure.headers,
  }
  return { status: statuses[failure.code], headers, ...(request.isHead ? {} : { body }) }
}

/** Headers of an object in every answer about it. */
export function objectHeaders(stat: ObjectStat): Record<string, string> {
  return {
    etag: `"${stat.etag}"`,
    'last-modified': stat.lastModified.toUTCString(),
    'accept-ranges': 'bytes',
    'content-type': 'application/octet-stream',
  }
}
