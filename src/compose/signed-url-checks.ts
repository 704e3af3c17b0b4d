import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import type { ScoreStore } from './score-store.ts'

/** What clients will do with signed URLs, tried as they do it. */
export interface SignedUrlTrials {
  /** Reads the sentinel. @throws `access-denied`, `object-not-found`, `store-protocol` */
  read(options?: CallOptions): Promise<void>
  /** Sends a part to an upload that is given up at once; nothing is seen of it. @throws `access-denied`, `store-protocol` */
  write(options?: CallOptions): Promise<void>
}

const lifeSeconds = 300

function failure(doing: string, status: number, code: string | null): ScoreError {
  const said = code === null ? `status ${status}` : `${code}, status ${status}`
  if (status === 404) return new ScoreError('object-not-found', `there is nothing to ${doing} by a signed URL (${said})`)
  if (status !== 401 && status !== 403)
    return new ScoreError('store-protocol', `the store does not let clients ${doing} by a signed URL (${said})`)
  return new ScoreError(
    'access-denied',
    `the store refuses to let clients ${doing} by a signed URL (${said}): check the key and the clock, and what the stored access policies allow where URLs refer to them (reading r, writing cw, both without times)`,
  )
}

/** @param fetcher - carries the requests as a client would */
export function createSignedUrlTrials({ backend, layout }: Pick<ScoreStore, 'backend' | 'layout'>, fetcher: typeof fetch): SignedUrlTrials {
  const request = async (doing: string, url: string, init: RequestInit, { signal }: CallOptions): Promise<void> => {
    const answer = await fetcher(url, { ...init, redirect: 'manual', ...(signal ? { signal } : {}) })
    await answer.arrayBuffer()
    if (!answer.ok) throw failure(doing, answer.status, answer.headers.get('x-ms-error-code'))
  }
  return {
    async read(options = {}) {
      const { url } = await backend.presign({ action: 'get', address: layout.sentinel, expiresInSeconds: lifeSeconds })
      await request('read', url, {}, options)
    },
    async write(options = {}) {
      const { bucket, key } = layout.sentinel
      const multipart = await backend.createMultipart({ bucket, key: `${key}.check` }, options)
      try {
        const { url } = await backend.presign({ action: 'put-part', multipart, partNumber: 1, expiresInSeconds: lifeSeconds })
        await request('write', url, { method: 'PUT', body: '.' }, options)
      } finally {
        await backend.abortMultipart(multipart, options)
      }
    },
  }
}
