import { completeAzureBlockUrl } from '../core/azure-block-id.ts'
import { ScoreError } from '../core/errors.ts'
import type { PartDialect, SignedPart } from '../core/object-spec.ts'
import type { PartCallOptions, PartTransport, SendPart, SentPart } from './part-transport.ts'
import type { UploadSource } from './upload-source.ts'

/** What differs between stores when a part is sent to its URL; the rest is one way for all. */
interface Dialect {
  /** Whether the MD5 of the part must be known before it is sent, so that its bytes are read twice. */
  readonly needsMd5: boolean
  request(url: string, md5: string, nowMs: number): Pick<SendPart, 'url' | 'headers'>
  /** What the part is registered by. @param md5 - what the request said, when it had to. */
  receipt(sent: SentPart, md5: string): SentPart
}

/** S3: the answer names the ETag, which is the MD5 of what arrived. */
const plainPut: Dialect = {
  needsMd5: false,
  request: (url) => ({ url }),
  receipt: (sent) => sent,
}

const dialects: Readonly<Record<PartDialect, Dialect>> = {
  // Put Block is answered without an ETag; the store compares Content-MD5, and the block's id keeps what it was.
  'azure-block': {
    needsMd5: true,
    request: (url, md5, nowMs) => ({
      url: completeAzureBlockUrl(url, { md5, sentAt: nowMs }),
      headers: { 'Content-MD5': Buffer.from(md5, 'hex').toString('base64') },
    }),
    receipt({ bytes, md5: sentMd5 }, md5) {
      if (sentMd5 === md5) return { bytes, md5, etag: md5, etagIsMd5: true }
      throw new ScoreError(
        'checksum-mismatch',
        `a part had the MD5 ${md5} before it was sent and ${sentMd5} while it was: the file is being changed`,
      )
    },
  },
}

export interface DialectContext {
  readonly source: UploadSource
  readonly transport: PartTransport
  readonly now: () => number
}

/** One attempt at a part of an upload, in the dialect that it says. @throws as `PartTransport.sendPart`. */
export async function sendInDialect(
  part: SignedPart,
  { source, transport, now }: DialectContext,
  options: PartCallOptions & { readonly signal: AbortSignal },
): Promise<SentPart> {
  const dialect = part.dialect === undefined ? plainPut : dialects[part.dialect]
  const md5 = dialect.needsMd5 ? await source.hashRange(part.range, { signal: options.signal }) : ''
  const sent = await transport.sendPart({ ...dialect.request(part.url, md5, now()), from: source.from, range: part.range }, options)
  return dialect.receipt(sent, md5)
}
