import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { OpenUpload, ScoreApi } from '../../src/api/score-api.ts'
import { md5Hex, multipartEtag } from '../../src/core/checksum.ts'
import { type ProblemCode, ScoreError } from '../../src/core/errors.ts'
import type { ObjectSpec, Part, PartReceipt, SignedPart } from '../../src/core/object-spec.ts'
import { planParts } from '../../src/core/part-plan.ts'

/** An object as the double keeps it. */
export interface DoubleObject {
  bytes: Buffer
  parts: Part[]
  etag: string
  uploadId: string
  md5: string | undefined
}

export interface DoubleUpload {
  readonly uploadId: string
  readonly size: number
  readonly md5: string | undefined
  readonly plan: Part[]
  readonly stored: Map<number, Buffer>
  readonly registered: Map<number, PartReceipt>
}

/** One request to the store. */
export interface StoreRequest {
  readonly method: string
  readonly objectId: string
  readonly partNumber: number
  /** How many requests for this part there were before. */
  readonly tryNumber: number
  readonly headers: IncomingMessage['headers']
  readonly signedAt: number
}

/** What to do to a request instead of serving it. */
export type Fault =
  | { readonly kind: 'status'; readonly status: number; readonly code?: string; readonly headers?: Record<string, string> }
  | { readonly kind: 'reset-before' | 'reset-in-body' | 'whole-object' | 'flip-byte' | 'wrong-range' | 'wrong-etag' | 'html' }
  | { readonly kind: 'hold'; readonly until: Promise<void> }

export interface ScoreDouble {
  readonly api: ScoreApi
  /** Where a child process finds the same service, see {@link remoteScore}. */
  readonly rpcUrl: string
  readonly objects: Map<string, DoubleObject>
  readonly uploads: Map<string, DoubleUpload>
  /** Store requests in order. */
  readonly requests: StoreRequest[]
  /** Names of the service's calls in order. */
  readonly calls: string[]
  /** Changes what the store does. */
  fault: ((request: StoreRequest) => Fault | undefined) | undefined
  /** Throws instead of answering a call of the service. */
  refuse: ((call: string, args: readonly unknown[]) => ScoreError | undefined) | undefined
  /** The same, but after the call was carried out: its answer is lost. */
  lose: ((call: string, args: readonly unknown[]) => ScoreError | undefined) | undefined
  /** Service and store time, ms. */
  now: () => number
  urlSeconds: number
  /** The original's habit: an upload's URLs are signed once. */
  keepsUploadUrls: boolean
  partSize: number
  put(objectId: string, bytes: Buffer, options?: { partMd5s?: boolean; md5?: string | undefined }): DoubleObject
  close(): Promise<void>
}

const amzTime = (ms: number): string => new Date(ms).toISOString().replace(/[-:]|\.\d+/g, '')

/** A Score service and its object store in memory; the store speaks HTTP with URLs that run out. */
export async function startScoreDouble(): Promise<ScoreDouble> {
  const objects = new Map<string, DoubleObject>()
  const uploads = new Map<string, DoubleUpload>()
  const uploadUrls = new Map<string, string>()
  const requests: StoreRequest[] = []
  const calls: string[] = []
  let nextUpload = 1

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      response.writeHead(500)
      response.end(String(error))
    })
  })
  // Longer than any test: a connection closed while idle is not a trouble that is tested here.
  server.keepAliveTimeout = 300_000
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  const sign = (path: string): string =>
    `${base}${path}?X-Amz-Date=${amzTime(double.now())}&X-Amz-Expires=${double.urlSeconds}&X-Amz-Signature=secret${nextUpload}`

  const partsOf = (objectId: string, parts: readonly Part[]): SignedPart[] =>
    parts.map((part) => ({ ...part, url: sign(`/object/${objectId}/${part.number}/${part.range.start}-${part.range.end}`) }))

  const uploadPartsOf = (objectId: string, upload: DoubleUpload): SignedPart[] =>
    upload.plan.map((part) => {
      const path = `/upload/${objectId}/${part.number}/${upload.uploadId}`
      const url = (double.keepsUploadUrls ? uploadUrls.get(path) : undefined) ?? sign(path)
      uploadUrls.set(path, url)
      const md5 = upload.registered.get(part.number)?.md5
      return { ...part, url, ...(md5 ? { md5 } : {}) }
    })

  const openOf = (objectId: string, uploadId?: string): DoubleUpload => {
    const upload = uploads.get(objectId)
    if (!upload || (uploadId !== undefined && upload.uploadId !== uploadId)) {
      throw new ScoreError('upload-not-found', `no upload of ${objectId} is in progress`)
    }
    return upload
  }

  const objectOf = (objectId: string): DoubleObject => {
    const object = objects.get(objectId)
    if (!object) throw new ScoreError('object-not-found', `there is no object ${objectId}`)
    return object
  }

  const raw: Record<string, (...args: never[]) => unknown> = {
    openUpload({ objectId, size, md5, overwrite }: OpenUpload): ObjectSpec<SignedPart> {
      if (objects.has(objectId) && !overwrite) throw new ScoreError('object-exists', `object ${objectId} exists`)
      const uploadId = `upload-${nextUpload++}`
      const plan = planParts({ start: 0, end: size }, { floorBytes: double.partSize })
      const upload: DoubleUpload = { uploadId, size, md5, plan, stored: new Map(), registered: new Map() }
      uploads.set(objectId, upload)
      return { objectId, objectKey: `data/${objectId}`, uploadId, size, parts: uploadPartsOf(objectId, upload), ...(md5 ? { md5 } : {}) }
    },
    resumeUpload({ objectId, size }: { objectId: string; size: number }) {
      const upload = openOf(objectId)
      if (upload.size !== size) throw new ScoreError('size-changed', `the upload of ${objectId} has ${upload.size} bytes, not ${size}`)
      return { objectId, uploadId: upload.uploadId, parts: uploadPartsOf(objectId, upload) }
    },
    finalizePart(ref: { objectId: string; uploadId: string }, receipt: PartReceipt) {
      const upload = openOf(ref.objectId, ref.uploadId)
      const stored = upload.stored.get(receipt.number)
      if (!stored || md5Hex(stored) !== receipt.md5) throw new ScoreError('part-mismatch', `the store holds no such part ${receipt.number}`)
      upload.registered.set(receipt.number, receipt)
    },
    deletePart(ref: { objectId: string; uploadId: string }, number: number) {
      openOf(ref.objectId, ref.uploadId).registered.delete(number)
    },
    finalizeUpload({ objectId, uploadId }: { objectId: string; uploadId: string }) {
      if (objects.get(objectId)?.uploadId === uploadId) return
      const upload = openOf(objectId, uploadId)
      if (upload.plan.some((part) => !upload.registered.has(part.number))) throw new ScoreError('upload-incomplete', 'parts are missing')
      const parts = upload.plan.map((part) => ({ ...part, md5: (upload.registered.get(part.number) as PartReceipt).md5 }))
      const bytes = Buffer.concat(parts.map((part) => upload.stored.get(part.number) as Buffer))
      objects.set(objectId, { bytes, parts, etag: multipartEtag(parts.map((part) => part.md5)), uploadId, md5: upload.md5 })
      uploads.delete(objectId)
    },
    cancelUpload(objectId: string) {
      openOf(objectId)
      uploads.delete(objectId)
    },
    objectExists: (objectId: string) => objects.has(objectId),
    downloadSpec({ objectId, range }: { objectId: string; range?: { start: number; end?: number } }): ObjectSpec<SignedPart> {
      const object = objectOf(objectId)
      const facts = { objectId, objectKey: `data/${objectId}` }
      if (!range) {
        const { md5, bytes, uploadId, parts } = object
        return { ...facts, uploadId, size: bytes.length, parts: partsOf(objectId, parts), ...(md5 ? { md5 } : {}) }
      }
      const cut = { start: range.start, end: range.end ?? object.bytes.length }
      if (cut.start < 0 || cut.end > object.bytes.length) throw new ScoreError('invalid-range', 'outside the object')
      const parts = planParts(cut, { floorBytes: double.partSize })
      return { ...facts, uploadId: objectId, size: cut.end - cut.start, parts: partsOf(objectId, parts) }
    },
    describeObject(objectId: string): ObjectSpec<Part> {
      const { bytes, parts, uploadId, md5 } = objectOf(objectId)
      return { objectId, objectKey: `data/${objectId}`, uploadId, size: bytes.length, parts, ...(md5 ? { md5 } : {}) }
    },
  }

  const call = async (name: string, args: readonly unknown[]): Promise<unknown> => {
    calls.push(name)
    const refusal = double.refuse?.(name, args)
    if (refusal) throw refusal
    const work = raw[name]
    if (!work) throw new Error(`the double has no ${name}`)
    const result = work(...(args as never[]))
    const lost = double.lose?.(name, args)
    if (lost) throw lost
    return result
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<unknown> {
    const url = new URL(request.url as string, base)
    if (url.pathname === '/rpc') return rpc(request, response)
    const [, kind, objectId = '', partNumber = '0', last = ''] = url.pathname.split('/')
    const seen = requests.filter(
      (one) => one.method === request.method && one.objectId === objectId && one.partNumber === Number(partNumber),
    )
    const date = url.searchParams.get('X-Amz-Date') ?? ''
    const signedAt = Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'))
    const entry: StoreRequest = {
      method: request.method as string,
      objectId,
      partNumber: Number(partNumber),
      tryNumber: seen.length,
      headers: request.headers,
      signedAt,
    }
    requests.push(entry)
    const fault = double.fault?.(entry)
    if (fault?.kind === 'hold') await fault.until
    if (fault?.kind === 'reset-before') return request.socket.destroy()
    const body = await readBody(request)
    if (fault?.kind === 'status') return fail(response, fault.status, fault.code ?? 'Fault', fault.headers)
    if (fault?.kind === 'html') {
      response.writeHead(200, { 'content-type': 'text/html' })
      return response.end('<html>please log in</html>')
    }
    if (double.now() > signedAt + Number(url.searchParams.get('X-Amz-Expires')) * 1000 + 999) {
      return fail(response, 403, 'AccessDenied', {}, 'Request has expired')
    }
    if (kind === 'upload') return receive(response, objectId, Number(partNumber), last, body, fault)
    return deliver(request, response, objectId, fault)
  }

  function fail(
    response: ServerResponse,
    status: number,
    code: string,
    headers: Record<string, string> = {},
    message = code,
  ): ServerResponse {
    response.writeHead(status, { 'content-type': 'application/xml', ...headers })
    return response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message><RequestId>r1</RequestId></Error>`)
  }

  function receive(
    response: ServerResponse,
    objectId: string,
    number: number,
    uploadId: string,
    body: Buffer,
    fault: Fault | undefined,
  ): ServerResponse {
    const upload = uploads.get(objectId)
    if (upload?.uploadId !== uploadId) return fail(response, 404, 'NoSuchUpload')
    const part = upload.plan.find((one) => one.number === number) as Part
    if (body.length !== part.range.end - part.range.start) return fail(response, 400, 'IncompleteBody')
    const kept = Buffer.from(body)
    if (fault?.kind === 'flip-byte') kept[0] = (kept[0] as number) ^ 1
    upload.stored.set(number, kept)
    const etag = fault?.kind === 'wrong-etag' ? '0'.repeat(32) : md5Hex(kept)
    response.writeHead(200, { etag: `"${etag}"`, 'content-length': '0' })
    return response.end()
  }

  function deliver(
    request: IncomingMessage,
    response: ServerResponse,
    objectId: string,
    fault: Fault | undefined,
  ): ServerResponse | undefined {
    const object = objects.get(objectId)
    if (!object) return fail(response, 404, 'NoSuchKey')
    const condition = request.headers['if-match']
    if (condition !== undefined && condition.replaceAll('"', '') !== object.etag) return fail(response, 412, 'PreconditionFailed')
    const [, first = '0', last = '0'] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
    const { length } = object.bytes
    if (Number(first) >= length) return fail(response, 416, 'InvalidRange')
    const slice = Buffer.from(object.bytes.subarray(Number(first), Number(last) + 1))
    const headers = { etag: `"${object.etag}"`, 'content-type': 'application/octet-stream' }
    if (fault?.kind === 'whole-object') {
      response.writeHead(200, { ...headers, 'content-length': String(length) })
      return response.end(object.bytes)
    }
    if (fault?.kind === 'flip-byte') slice[slice.length >> 1] = (slice[slice.length >> 1] as number) ^ 1
    const from = Number(first) + (fault?.kind === 'wrong-range' ? 1 : 0)
    response.writeHead(206, {
      ...headers,
      'content-length': String(slice.length),
      'content-range': `bytes ${from}-${from + slice.length - 1}/${length}`,
    })
    if (fault?.kind !== 'reset-in-body') return response.end(slice)
    response.write(slice.subarray(0, slice.length >> 1), () => response.socket?.destroy())
    return undefined
  }

  async function rpc(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { name, args } = JSON.parse((await readBody(request)).toString()) as { name: string; args: unknown[] }
    try {
      const result = await call(name, args)
      response.end(JSON.stringify({ result }))
    } catch (error) {
      response.end(JSON.stringify({ code: (error as ScoreError).code, message: (error as Error).message }))
    }
  }

  const double: ScoreDouble = {
    api: apiOver((name, args) => call(name, args)),
    rpcUrl: `${base}/rpc`,
    objects,
    uploads,
    requests,
    calls,
    fault: undefined,
    refuse: undefined,
    lose: undefined,
    now: Date.now,
    urlSeconds: 3600,
    keepsUploadUrls: false,
    partSize: 64 * 1024,
    put(objectId, bytes, { partMd5s = true, ...rest } = {}) {
      const plan = planParts({ start: 0, end: bytes.length }, { floorBytes: double.partSize })
      const withMd5 = plan.map((part) => ({ ...part, md5: md5Hex(bytes.subarray(part.range.start, part.range.end)) }))
      const object: DoubleObject = {
        bytes,
        parts: partMd5s ? withMd5 : plan,
        etag: multipartEtag(withMd5.map((part) => part.md5)),
        uploadId: `put-${nextUpload++}`,
        md5: 'md5' in rest ? rest.md5 : md5Hex(bytes),
      }
      objects.set(objectId, object)
      return object
    },
    close: () => closeServer(server),
  }
  return double
}

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise((resolve) => server.close(() => resolve()))
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

function apiOver(call: (name: string, args: readonly unknown[]) => Promise<unknown>): ScoreApi {
  const names = [
    'openUpload',
    'resumeUpload',
    'finalizePart',
    'deletePart',
    'finalizeUpload',
    'cancelUpload',
    'objectExists',
    'downloadSpec',
    'describeObject',
  ] as const
  const entries = names.map((name) => {
    const arity = name === 'finalizePart' || name === 'deletePart' ? 2 : 1
    return [name, (...args: unknown[]) => call(name, args.slice(0, arity))] as const
  })
  return Object.fromEntries(entries) as unknown as ScoreApi
}

/** The double's service as another process sees it. */
export function remoteScore(rpcUrl: string): ScoreApi {
  return apiOver(async (name, args) => {
    const response = await fetch(rpcUrl, { method: 'POST', body: JSON.stringify({ name, args }) })
    const answer = (await response.json()) as { result?: unknown; code?: ProblemCode; message?: string }
    if (answer.code) throw new ScoreError(answer.code, answer.message ?? '')
    return answer.result
  })
}
