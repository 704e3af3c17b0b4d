import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { readBytes } from '../../src/bytes/byte-source.ts'
import { md5Hex, unquoteEtag } from '../../src/core/checksum.ts'
import { ScoreError } from '../../src/core/errors.ts'
import type { PartTransport } from '../../src/transfer/part-transport.ts'

const byStatus: Readonly<Record<number, ScoreError['code']>> = { 403: 'url-expired', 412: 'object-changed', 416: 'invalid-range' }

async function refuse(response: Response, notFound: ScoreError['code']): Promise<never> {
  const text = await response.text()
  const code = /<Code>(\w+)</.exec(text)?.[1] ?? 'no code'
  const after = response.headers.get('retry-after')
  const kind =
    code === 'SignatureDoesNotMatch' ? 'access-denied' : response.status === 404 ? notFound : (byStatus[response.status] ?? 'unavailable')
  throw new ScoreError(kind, `the store answered ${response.status} ${code}`, {
    cause: { status: response.status },
    ...(after ? { retryAfterSeconds: Number(after) } : {}),
  })
}

async function ask(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init)
  } catch (error) {
    init.signal?.throwIfAborted()
    throw new ScoreError('unavailable', 'the store cannot be reached', { cause: error })
  }
}

/** The data plane's contract in its simplest form, on the caller's thread: for tests of what is built on it. */
export function createPlainTransport(): PartTransport {
  return {
    async fetchPart({ url, range, path, position, md5, ifMatch, objectSize }, { signal, onBytes } = {}) {
      const headers = { range: `bytes=${range.start}-${range.end - 1}`, ...(ifMatch ? { 'if-match': `"${ifMatch}"` } : {}) }
      const response = await ask(url, { headers, ...(signal ? { signal } : {}) })
      if (response.status >= 400) await refuse(response, 'object-not-found')
      const length = range.end - range.start
      const expectedRange = `bytes ${range.start}-${range.end - 1}/`
      const isPart = response.status === 206 && response.headers.get('content-range')?.startsWith(expectedRange)
      if (!isPart && !(response.status === 200 && objectSize === length)) {
        await response.body?.cancel()
        throw new ScoreError('store-protocol', `the store answered ${response.status} to a request for ${expectedRange}`)
      }
      const file = await open(path, 'r+')
      const hash = createHash('md5')
      let got = 0
      try {
        for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
          await file.write(chunk, 0, chunk.length, position + got)
          hash.update(chunk)
          got += chunk.length
          onBytes?.(chunk.length)
        }
        if (got !== length) throw new ScoreError('unavailable', `${got} of ${length} bytes came`)
        const found = hash.digest('hex')
        if (md5 && md5 !== found) throw new ScoreError('checksum-mismatch', `MD5 ${found} instead of ${md5}`)
        const etag = response.headers.get('etag')
        return { bytes: got, md5: found, ...(etag ? { etag: unquoteEtag(etag) } : {}) }
      } catch (error) {
        onBytes?.(-got)
        signal?.throwIfAborted()
        if (error instanceof ScoreError) throw error
        throw new ScoreError('unavailable', 'the body was cut', { cause: error })
      } finally {
        await file.close()
      }
    },
    async sendPart({ url, from, range }, { signal, onBytes } = {}) {
      const length = range.end - range.start
      const body = 'path' in from ? await readFileRange(from.path, range.start, length) : await readBytes(from.source, range)
      const response = await ask(url, { method: 'PUT', body: body as Uint8Array<ArrayBuffer>, ...(signal ? { signal } : {}) })
      if (!response.ok) await refuse(response, 'upload-not-found')
      onBytes?.(length)
      return { bytes: length, md5: md5Hex(body), etag: unquoteEtag(response.headers.get('etag') ?? ''), etagIsMd5: true }
    },
    hashRange: async ({ path, range }) => md5Hex(await readFileRange(path, range.start, range.end - range.start)),
    trailingHash({ path, partEnds }) {
      const there = new Set<number>()
      let wake: () => void = () => undefined
      let cancelled = false
      let hashedBytes = 0
      const run = async (): Promise<string> => {
        const hash = createHash('md5')
        for (const [index, end] of partEnds.entries()) {
          while (!there.has(index) && !cancelled) await new Promise<void>((resolve) => (wake = resolve))
          if (cancelled) throw new ScoreError('unavailable', 'cancelled')
          hash.update(await readFileRange(path, hashedBytes, end - hashedBytes))
          hashedBytes = end
        }
        return hash.digest('hex')
      }
      return {
        digest: run(),
        get hashedBytes() {
          return hashedBytes
        },
        done(index) {
          there.add(index)
          wake()
        },
        cancel() {
          cancelled = true
          wake()
        },
      }
    },
    async sync() {},
    async release() {},
    async close() {},
  }
}

async function readFileRange(path: string, start: number, length: number): Promise<Buffer> {
  const file = await open(path, 'r')
  try {
    const bytes = Buffer.alloc(length)
    const { bytesRead } = await file.read(bytes, 0, length, start)
    if (bytesRead !== length) throw new ScoreError('size-changed', `'${path}' ended after ${start + bytesRead} bytes`)
    return bytes
  } finally {
    await file.close()
  }
}
