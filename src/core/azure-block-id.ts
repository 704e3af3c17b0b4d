import { ScoreError } from './errors.ts'
import { redactUrl } from './redact.ts'

/**
 * Names of the blocks that Azure joins to a blob. A block's name says which upload and part it is, what MD5 its bytes have
 * and when it was sent, so that a list of names proves which parts a store holds (docs/decisions/0030).
 */

/** 43 bytes, as the ids of the original's client have: Azure wants those of one blob to be of one length. */
const idBytes = 43
/** Tells our names from those of other programs, which are text. */
const tag = 1
const uploadAt = 1
const partAt = 17
const timeAt = 19
const md5At = 27

/** Part numbers of blocks that hold no part: one begins an upload, the other ends it. */
export const azureBeginning = 0
export const azureEnding = 0xffff

export interface AzureBlock {
  /** A UUID. */
  readonly uploadId: string
  readonly partNumber: number
  /** Lower-case hex; absent in the name that a part's URL carries before its bytes are known. */
  readonly md5?: string
  /** Milliseconds since 1970; 0 when it is not known. Of two blocks of one part the later one counts. */
  readonly sentAt: number
}

export function isAzureUploadId(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text)
}

/** The name of a block, base64. */
export function formatAzureBlockId({ uploadId, partNumber, md5, sentAt }: AzureBlock): string {
  const bytes = Buffer.alloc(idBytes)
  bytes[0] = tag
  bytes.write(uploadId.replaceAll('-', ''), uploadAt, 'hex')
  bytes.writeUInt16BE(partNumber, partAt)
  bytes.writeBigUInt64BE(BigInt(Math.floor(sentAt)), timeAt)
  if (md5 !== undefined) bytes.write(md5, md5At, 'hex')
  return bytes.toString('base64')
}

/** `undefined` for a name that another program gave. */
export function parseAzureBlockId(text: string): AzureBlock | undefined {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.length !== idBytes || bytes[0] !== tag) return undefined
  const hex = bytes.toString('hex')
  const uuid = hex.slice(2 * uploadAt, 2 * partAt)
  const md5 = hex.slice(2 * md5At)
  return {
    uploadId: `${uuid.slice(0, 8)}-${uuid.slice(8, 12)}-${uuid.slice(12, 16)}-${uuid.slice(16, 20)}-${uuid.slice(20)}`,
    partNumber: bytes.readUInt16BE(partAt),
    sentAt: Number(bytes.readBigUInt64BE(timeAt)),
    ...(/^0+$/.test(md5) ? {} : { md5 }),
  }
}

/** Whether a block of this name may stand beside ours in one blob. */
export function fitsAzureBlockIds(text: string): boolean {
  return Buffer.byteLength(text, 'base64') === idBytes
}

/**
 * The URL of a part, told what will be sent to it: the signature of such a URL does not cover the block's name.
 *
 * @throws `store-protocol` when the URL has no name to complete.
 */
export function completeAzureBlockUrl(url: string, sent: { readonly md5: string; readonly sentAt: number }): string {
  const match = /[?&]blockid=([^&#]*)/.exec(url)
  const block = match === null ? undefined : parseAzureBlockId(decodeURIComponent(match[1] as string))
  if (match === null || block === undefined)
    throw new ScoreError('store-protocol', `the URL ${redactUrl(url)} of a part names no block of ours; the service speaks another dialect`)
  const blockId = encodeURIComponent(formatAzureBlockId({ ...block, ...sent }))
  return url.slice(0, match.index + '?blockid='.length) + blockId + url.slice(match.index + match[0].length)
}
