import dns from 'node:dns'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectsCommand,
  HeadObjectCommand,
  ListPartsCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { isScoreError } from '../../../src/core/errors.ts'
import { createS3Backend } from '../../../src/s3.ts'
import type { S3TestStore } from './s3-stores.ts'

/** Something that stores do differently and the driver makes up for: what this one does, in a word or two. */
export interface StoreFact {
  readonly name: string
  ask(store: S3TestStore): Promise<string>
}

const body = Buffer.from('a part')
const nothing = '0123456789abcdef0123456789abcdef'

/** What the SDK's failure says: status and the store's word. */
async function said(work: Promise<string>): Promise<string> {
  return work.catch((error: unknown) => {
    const { $metadata: { httpStatusCode: status } = {}, name = 'Error' } = error as {
      readonly $metadata?: { readonly httpStatusCode?: number }
      readonly name?: string
    }
    if (status === undefined) throw error
    return /^(Unknown|UnknownError|\d*)$/.test(name) ? String(status) : `${status} ${name}`
  })
}

interface Begun {
  readonly Bucket: string
  readonly Key: string
  readonly UploadId: string
}

async function begun({ client, bucket }: S3TestStore, key: string): Promise<Begun> {
  const at = { Bucket: bucket, Key: `facts/${key}` }
  const { UploadId = '' } = await client.send(new CreateMultipartUploadCommand(at))
  return { ...at, UploadId }
}

async function sent(
  { client }: S3TestStore,
  upload: Begun,
  PartNumber: number,
  Body = body,
): Promise<{ PartNumber: number; ETag: string }> {
  const { ETag = '' } = await client.send(new UploadPartCommand({ ...upload, PartNumber, Body }))
  return { PartNumber, ETag }
}

function joined(upload: Begun, parts: { PartNumber: number; ETag: string }[], more: { readonly IfNoneMatch?: string } = {}) {
  return new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts: parts }, ...more })
}

function etagForm(etag: string | undefined): string {
  if (etag === undefined || etag === '') return 'none'
  return etag.startsWith('"') ? 'quoted' : 'unquoted'
}

/** Buckets in the host name, though nothing here resolves names below localhost. */
async function withLocalNames<Result>(work: () => Promise<Result>): Promise<Result> {
  const { lookup } = dns
  const local = ((name: string, ...rest: readonly unknown[]) =>
    Reflect.apply(lookup, dns, [name.endsWith('.localhost') ? '127.0.0.1' : name, ...rest])) as typeof dns.lookup
  dns.lookup = Object.assign(local, lookup)
  try {
    return await work()
  } finally {
    dns.lookup = lookup
  }
}

export const storeFacts: readonly StoreFact[] = [
  {
    name: 'ETag in the answer of a completion',
    async ask(store) {
      const upload = await begun(store, 'etag')
      const answer = await store.client.send(joined(upload, [await sent(store, upload, 1)]))
      return etagForm(answer.ETag)
    },
  },
  {
    name: 'completion with If-None-Match over an object',
    async ask(store) {
      const upload = await begun(store, 'over')
      await store.client.send(new PutObjectCommand({ Bucket: upload.Bucket, Key: upload.Key, Body: body }))
      const part = await sent(store, upload, 1)
      return said(store.client.send(joined(upload, [part], { IfNoneMatch: '*' })).then(() => 'replaced'))
    },
  },
  {
    name: 'completion repeated',
    async ask(store) {
      const upload = await begun(store, 'twice')
      const parts = [await sent(store, upload, 1)]
      await store.client.send(joined(upload, parts))
      return said(store.client.send(joined(upload, parts)).then(() => '200'))
    },
  },
  {
    name: 'completion of an upload that never was, over an object',
    async ask(store) {
      const other = await begun(store, 'never-other')
      const upload = { ...other, Key: 'facts/never' }
      await store.client.send(new PutObjectCommand({ Bucket: upload.Bucket, Key: upload.Key, Body: body }))
      const found = await said(store.client.send(joined(upload, [{ PartNumber: 1, ETag: nothing }])).then(() => '200'))
      await store.client.send(new AbortMultipartUploadCommand(other))
      return found
    },
  },
  {
    name: 'parts of a finished upload listed',
    async ask(store) {
      const upload = await begun(store, 'listed')
      await store.client.send(joined(upload, [await sent(store, upload, 1)]))
      return said(store.client.send(new ListPartsCommand(upload)).then(() => '200'))
    },
  },
  {
    name: 'completion that leaves out a part',
    async ask(store) {
      const upload = await begun(store, 'subset')
      const [first] = [await sent(store, upload, 1), await sent(store, upload, 3)]
      return said(store.client.send(joined(upload, [first])).then(() => 'taken'))
    },
  },
  {
    name: 'part number 10,001',
    async ask(store) {
      const upload = await begun(store, 'number')
      const found = await said(sent(store, upload, 10_001).then(() => 'taken'))
      await store.client.send(new AbortMultipartUploadCommand(upload))
      return found
    },
  },
  {
    name: 'request signed for another region',
    async ask({ options, bucket }) {
      const stranger = createS3Backend({ ...options, region: 'eu-west-1' })
      await stranger.put({ bucket, key: 'facts/region' }, body).catch((error: unknown) => {
        if (!isScoreError(error, 'invalid-configuration')) throw error
        return 'refused'
      })
      const stat = await createS3Backend(options).head({ bucket, key: 'facts/region' })
      return stat === undefined ? 'refused' : 'taken'
    },
  },
  {
    name: 'HEAD with a URL signed for GET',
    async ask({ backend, bucket }) {
      const address = { bucket, key: 'facts/head' }
      await backend.put(address, body)
      const { url } = await backend.presign({ action: 'get', address, expiresInSeconds: 600 })
      return String((await fetch(url, { method: 'HEAD' })).status)
    },
  },
  {
    name: 'URL signed for one hour from now',
    async ask({ backend, options, bucket }) {
      const address = { bucket, key: 'facts/future' }
      await backend.put(address, body)
      const early = createS3Backend({ ...options, now: () => Date.now() + 3_600_000 })
      const { url } = await early.presign({ action: 'get', address, expiresInSeconds: 600 })
      const answer = await fetch(url)
      await answer.arrayBuffer()
      return String(answer.status)
    },
  },
  {
    name: 'DeleteObjects as the SDK sends it',
    async ask({ client, bucket }) {
      return said(client.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: [{ Key: 'facts/none' }] } })).then(() => '200'))
    },
  },
  ...(['AES256', 'aws:kms'] as const).map(
    (ServerSideEncryption): StoreFact => ({
      name: `upload with server-side encryption ${ServerSideEncryption}`,
      async ask({ client, bucket }) {
        const at = { Bucket: bucket, Key: `facts/${ServerSideEncryption}` }
        const key = ServerSideEncryption === 'aws:kms' ? { SSEKMSKeyId: 'testkey-1' } : {}
        return said(
          client.send(new PutObjectCommand({ ...at, ...key, Body: body, ServerSideEncryption })).then(async () => {
            const head = await client.send(new HeadObjectCommand(at))
            return head.ServerSideEncryption === undefined ? 'taken, not encrypted' : `encrypted: ${head.ServerSideEncryption}`
          }),
        )
      },
    }),
  ),
  {
    name: 'bucket in the host name (virtual-host style)',
    async ask({ options, endpoint, bucket }) {
      const { port } = new URL(endpoint)
      const address = { bucket, key: 'facts/host style' }
      const driver = createS3Backend({ ...options, endpoint: `http://localhost:${port}`, forcePathStyle: false })
      return withLocalNames(async () => {
        try {
          await driver.put(address, body)
          const { url } = await driver.presign({ action: 'get', address, expiresInSeconds: 600 })
          if (new URL(url).host !== `${bucket}.localhost:${port}`) throw new Error(`the URL is for ${new URL(url).host}`)
          const answer = await fetch(url)
          const text = await answer.text()
          return answer.status === 200 && text === String(body) ? 'works' : `URL answered ${answer.status}`
        } catch (error) {
          if (isScoreError(error)) return `refused (${error.code})`
          throw error
        }
      })
    },
  },
]
