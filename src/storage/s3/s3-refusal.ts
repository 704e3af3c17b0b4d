import type { PooledAnswer, PooledRequest } from '../../http/pooled-requests.ts'
import type { S3Refusal } from './error-map.ts'

const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' }

function unescaped(text: string): string {
  return text.replace(
    /&(?:(lt|gt|quot|apos|amp)|#(\d{1,7})|#x([0-9a-f]{1,6}));/gi,
    (whole, name?: string, decimal?: string, hex?: string) => {
      if (name !== undefined) return entities[name.toLowerCase()] ?? whole
      const point = decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal)
      return point <= 0x10ffff ? String.fromCodePoint(point) : whole
    },
  )
}

/** The text of an element of `<Error>`, which has no attributes and holds no other element. */
function element(xml: string, name: string): string | undefined {
  const found = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1]?.trim()
  return found === undefined || found === '' ? undefined : unescaped(found)
}

function header({ headers }: PooledAnswer, name: string): string | undefined {
  const value = headers[name]
  return typeof value === 'string' && value !== '' ? value : undefined
}

/**
 * What a failed answer says: an `<Error>` document, or for HEAD, which has none, its status and headers.
 *
 * Source: AWS S3 API reference, "Error responses".
 */
export function readS3Refusal(method: PooledRequest['method'], answer: PooledAnswer): S3Refusal & { readonly serverTime?: string } {
  const body = answer.body.toString('utf8')
  const xml = /<Error[\s>]/.test(body) ? body : ''
  const code = element(xml, 'Code') ?? (method === 'HEAD' && answer.status === 404 ? 'NotFound' : 'Unknown')
  const region = header(answer, 'x-amz-bucket-region') ?? element(xml, 'Region')
  const requestId = header(answer, 'x-amz-request-id') ?? header(answer, 'x-amzn-requestid') ?? element(xml, 'RequestId')
  const retryAfter = header(answer, 'retry-after')
  const serverTime = element(xml, 'ServerTime')
  return {
    code,
    message: element(xml, 'Message') ?? '',
    status: answer.status,
    ...(region === undefined ? {} : { region }),
    ...(retryAfter === undefined ? {} : { retryAfter }),
    ...(requestId === undefined ? {} : { requestId }),
    ...(serverTime === undefined ? {} : { serverTime }),
  }
}
