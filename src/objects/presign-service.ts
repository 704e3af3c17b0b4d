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

async function signAll(parts: readonly Part[], sign: (part: Part) => Promise<PresignedUrl>): Promise<readonly SignedPart[]> {
  const signed: SignedPart[] = []
  for (let at = 0; at < parts.length; at += signedAtOnce) {
    if (at > 0) await nextTurn()
    const some = parts.slice(at, at + signedAtOnce).map(async (part): Promise<SignedPart> => {
      const { url, dialect } = await sign(part)
      return { ...part, url, ...(dialect === undefined ? {} : { dialect }) }
    })
    signed.push(...(await Promise.all(some)))
  }
  return signed
}

export function createPresignService(options: PresignServiceOptions): PresignService {
  const { backend, uploadExpirySeconds = 6 * day, downloadExpirySeconds = day, pingExpirySeconds = 300 } = options
  return {
    signUpload: (multipart, parts) =>
      signAll(parts, ({ number: partNumber }) =>
        backend.presign({ action: 'put-part', multipart, partNumber, expiresInSeconds: uploadExpirySeconds }),
      ),
    signDownload: (address, parts) =>
      signAll(parts, ({ range }) => backend.presign({ action: 'get', address, range, expiresInSeconds: downloadExpirySeconds })),
    signObject: (address) => backend.presign({ action: 'get', address, expiresInSeconds: downloadExpirySeconds }),
    signObjectWrite: (address) => backend.presignObjectWrite?.(address, { expiresInSeconds: uploadExpirySeconds }),
    signSentinel: (address) => backend.presign({ action: 'get', address, expiresInSeconds: pingExpirySeconds }),
  }
}
