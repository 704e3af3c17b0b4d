import { createHash } from 'node:crypto'
import type { DeleteObjectsCommand, _Error as KeyFailure } from '@aws-sdk/client-s3'
import type { CallOptions } from '../../core/call-options.ts'
import { isScoreError } from '../../core/errors.ts'
import { runPool } from '../../core/pool.ts'
import { field } from '../sdk-error.ts'
import type { ObjectAddress, StorageBackend } from '../storage-backend.ts'
import type { S3Calls } from './s3-calls.ts'

type Deletes = Required<Pick<StorageBackend, 'delete' | 'deleteMany'>>

/** As many as one request may name. */
const batchKeys = 1000
const batchesAtOnce = 4
const singlesAtOnce = 32

/** At most `batchKeys` keys each, of one bucket. */
function* batchesOf(addresses: readonly ObjectAddress[]): Iterable<readonly [bucket: string, keys: readonly string[]]> {
  const byBucket = new Map<string, string[]>()
  for (const { bucket, key } of addresses) {
    const keys = byBucket.get(bucket)
    if (keys === undefined) byBucket.set(bucket, [key])
    else keys.push(key)
  }
  for (const [bucket, keys] of byBucket)
    for (let start = 0; start < keys.length; start += batchKeys) yield [bucket, keys.slice(start, start + batchKeys)]
}

/** The SDK sends a newer checksum only; Swift and older stores refuse this request without an MD5. */
function addContentMd5(command: DeleteObjectsCommand): DeleteObjectsCommand {
  command.middlewareStack.add(
    (next) => (args) => {
      const { body, headers } = args.request as { readonly body: string | Uint8Array; readonly headers: Record<string, string> }
      headers['content-md5'] = createHash('md5').update(body).digest('base64')
      return next(args)
    },
    { step: 'build', name: 'addContentMd5' },
  )
  return command
}

/** Whether the store, or a proxy before it, has no such request at all (Google's among them). */
function isUnknownRequest(error: unknown): boolean {
  const said = isScoreError(error) ? error.cause : undefined
  return (
    ['NotImplemented', 'MethodNotAllowed'].includes(String(field(said, 'name'))) ||
    [405, 501].includes(Number(field(said, '$metadata', 'httpStatusCode')))
  )
}

/** What a store says of a key whose object is not there, where it says anything. */
const goneCodes: ReadonlySet<string | undefined> = new Set(['NoSuchKey', 'NoSuchVersion', 'NotFound'])

function failureOf(calls: S3Calls, bucket: string, failures: readonly KeyFailure[]): Error | undefined {
  const [first, ...others] = failures.filter(({ Code }) => !goneCodes.has(Code))
  if (first === undefined) return undefined
  const { Key = '', Code = 'UnknownError', Message = '' } = first
  const more = others.length === 0 ? '' : ` and ${others.length} more`
  const refusal = Object.assign(new Error(Message), { name: Code })
  return calls.translate(refusal, { doing: `delete ${bucket}/${Key}${more}`, subject: 'object' })
}

/** The deleting part of the driver. Whether the store takes many keys at once is found out by asking, once. */
export function createS3Delete(calls: S3Calls): Deletes {
  let oneByOne = false

  const deleteOne = async ({ bucket, key }: ObjectAddress, call?: CallOptions): Promise<void> => {
    const context = { doing: `delete ${bucket}/${key}`, subject: 'object' } as const
    try {
      await calls.run(
        context,
        (client, sdk, request) => client.send(new sdk.DeleteObjectCommand({ Bucket: bucket, Key: key }), request),
        call,
      )
    } catch (error) {
      if (!isScoreError(error, 'object-not-found')) throw error
    }
  }

  const deleteBatch = async (bucket: string, keys: readonly string[], call?: CallOptions): Promise<void> => {
    const context = { doing: `delete ${keys.length} objects of ${bucket}`, subject: 'bucket' } as const
    const input = { Bucket: bucket, Delete: { Quiet: true, Objects: keys.map((Key) => ({ Key })) } }
    const answer = await calls.run(
      context,
      (client, sdk, request) => client.send(addContentMd5(new sdk.DeleteObjectsCommand(input)), request),
      call,
    )
    const failure = failureOf(calls, bucket, answer.Errors ?? [])
    if (failure !== undefined) throw failure
  }

  const deleteSingly = (addresses: readonly ObjectAddress[], call?: CallOptions): Promise<void> =>
    runPool(addresses, deleteOne, { ...call, concurrency: singlesAtOnce })

  return {
    delete: deleteOne,
    async deleteMany(addresses, call) {
      if (oneByOne) return deleteSingly(addresses, call)
      try {
        await runPool(batchesOf(addresses), ([bucket, keys], within) => deleteBatch(bucket, keys, within), {
          ...call,
          concurrency: batchesAtOnce,
        })
      } catch (error) {
        if (!isUnknownRequest(error)) throw error
        oneByOne = true
        await deleteSingly(addresses, call)
      }
    },
  }
}
