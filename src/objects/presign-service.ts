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
}

const day = 86_400

export function createPresignService(options: PresignServiceOptions): PresignService {
  const { backend, uploadExpirySeconds = 6 * day, downloadExpirySeconds = day, pingExpirySeconds = 300 } = options
  return {
    signUpload: (multipart, parts) =>
      Promise.all(
        parts.map(async (part) => {
          const { url } = await backend.presign({
            action: 'put-part',
            multipart,
            partNumber: part.number,
            expiresInSeconds: uploadExpirySeconds,
          })
          return { ...part, url }
        }),
      ),
    signDownload: (address, parts) =>
      Promise.all(
        parts.map(async (part) => {
          const { url } = await backend.presign({ action: 'get', address, range: part.range, expiresInSeconds: downloadExpirySeconds })
          return { ...part, url }
        }),
      ),
    signObject: (address) => backend.presign({ action: 'get', address, expiresInSeconds: downloadExpirySeconds }),
    signSentinel: (address) => backend.presign({ action: 'get', address, expiresInSeconds: pingExpirySeconds }),
  }
}
