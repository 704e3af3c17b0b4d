import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Part, SignedPart } from '../core/object-spec.ts'
import type { MultipartRef, ObjectAddress, PresignedUrl, StorageBackend } from '../storage/storage-backend.ts'

export interface PresignServiceOptions {
  readonly backend: StorageBackend
  /** Life of a part's PUT URL; default 6 days, as the original. */
  readonly uploadExpirySeconds?: number
  /** Life of a GET URL; default 1 day. */
  readonly downloadExpirySeconds?: number
  /** Life of the sentinel's URL; default 5 minutes. */
  readonly pingExpirySeconds?: number
}

/** Turns parts into URLs. It knows how long they live and what they bind; the store's driver knows the cryptography. */
export interface PresignService {
  signUpload(multipart: MultipartRef, parts: readonly Part[]): Promise<readonly SignedPart[]>
  /** Each URL is good for its part's range only. */
  signDownload(address: ObjectAddress, parts: readonly Part[]): Promise<readonly SignedPart[]>
  /** One URL for the whole object, any range. */
  signObject(address: ObjectAddress): Promise<PresignedUrl>
  signSentinel(address: ObjectAddress): Promise<PresignedUrl>
  /** One URL to write the whole object by; `undefined` where no client does so. */
  signObjectWrite(address: ObjectAddress): Promise<PresignedUrl> | undefined
}

const day = 86_400

/** Parts signed in one go: ten thousand of them would let nobody else in for a while. */
const signedAtOnce = 500

type Sign = (part: Part) => PresignedUrl | Promise<PresignedUrl>

async function signAll(parts: readonly Part[], sign: Sign): Promise<readonly SignedPart[]> {
  const signed: SignedPart[] = []
  for (const part of parts) {
    if (signed.length > 0 && signed.length % signedAtOnce === 0) await nextTurn()
    const given = sign(part)
    const { url, dialect } = 'url' in given ? given : await given
    signed.push(dialect === undefined ? { ...part, url } : { ...part, url, dialect })
  }
  return signed
}

export function createPresignService(options: PresignServiceOptions): PresignService {
  const { backend } = options
  const { uploadExpirySeconds = 6 * day, downloadExpirySeconds = day, pingExpirySeconds = 300 } = options
  const sign = backend.presignNow ?? backend.presign
  return {
    signUpload: (multipart, parts) =>
      signAll(parts, ({ number: partNumber }) =>
        sign({ action: 'put-part', multipart, partNumber, expiresInSeconds: uploadExpirySeconds }),
      ),
    signDownload: (address, parts) =>
      signAll(parts, ({ range }) => sign({ action: 'get', address, range, expiresInSeconds: downloadExpirySeconds })),
    signObject: (address) => backend.presign({ action: 'get', address, expiresInSeconds: downloadExpirySeconds }),
    signObjectWrite: (address) => backend.presignObjectWrite?.(address, { expiresInSeconds: uploadExpirySeconds }),
    signSentinel: (address) => backend.presign({ action: 'get', address, expiresInSeconds: pingExpirySeconds }),
  }
}
