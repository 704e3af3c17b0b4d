import { randomUUID } from 'node:crypto'
import { azureBeginning, azureEnding, formatAzureBlockId, isAzureUploadId } from '../../core/azure-block-id.ts'
import type { CallOptions } from '../../core/call-options.ts'
import { isScoreError, ScoreError } from '../../core/errors.ts'
import { maximumParts } from '../../core/part-plan.ts'
import type { CompleteOptions, ListPartsOptions, MultipartRef, ObjectAddress, StorageBackend, StoredPart } from '../storage-backend.ts'
import type { AzureCalls } from './azure-calls.ts'
import type { AzureBackendOptions } from './azure-options.ts'
import { type BlockList, type HeldBlock, readBlockList } from './block-list.ts'
import { maximumBlocks } from './presigner.ts'

type Multipart = Pick<StorageBackend, 'createMultipart' | 'listParts' | 'completeMultipart' | 'abortMultipart'>

/** Metadata of a blob that tells which upload made it. */
export const uploadIdMetadata = 'scoreuploadid'

/** Uncommitted blocks that one blob can have, of all uploads together. */
const maximumUncommitted = 100_000

const noBlocks: BlockList = { count: 0, foreign: false, uploads: new Map() }

function place({ bucket, key }: ObjectAddress): string {
  return `${bucket}/${key}`
}

function unknownUpload(multipart: MultipartRef): ScoreError {
  return new ScoreError('upload-not-found', `the Azure store knows no upload ${multipart.uploadId} of ${place(multipart)}`)
}

/** @throws `already-running` when the blocks that are there leave no room for ours. */
function requireRoom(address: ObjectAddress, { count, foreign }: BlockList): void {
  const wayOut = 'Azure forgets them a week after the last one, or when something is written there'
  if (foreign)
    throw new ScoreError(
      'already-running',
      `another program has begun an upload to ${place(address)} on the Azure store, with block ids that exclude ours; ${wayOut}`,
    )
  if (count + maximumParts >= maximumUncommitted)
    throw new ScoreError(
      'already-running',
      `uploads to ${place(address)} that were given up left ${count} blocks on the Azure store, of ${maximumUncommitted} that there can be; ${wayOut}`,
    )
}

/** The blocks to join, in the order given. @throws `part-mismatch`, `invalid-request`. */
function chosenBlocks(multipart: MultipartRef, parts: readonly StoredPart[], held: readonly HeldBlock[]): string[] {
  if (parts.length > maximumBlocks)
    throw new ScoreError('invalid-request', `${parts.length} parts are too many for a blob: Azure joins ${maximumBlocks} at most`)
  const byNumber = new Map(held.map((block) => [block.number, block]))
  return parts.map(({ number, etag }) => {
    const block = byNumber.get(number)
    if (block?.etag === etag.toLowerCase()) return block.blockId
    const found = block === undefined ? 'holds no such part' : `holds it with the MD5 ${block.etag}`
    throw new ScoreError(
      'part-mismatch',
      `part ${number} of ${place(multipart)} was to be joined with the MD5 ${etag}, but the Azure store ${found}; send it and report it once more`,
    )
  })
}

/** The uncommitted blocks of a blob: the only thing that Azure tells of an upload in progress. The list has no pages. */
async function blocksOf(calls: AzureCalls, address: ObjectAddress, options: CallOptions): Promise<BlockList> {
  const context = { doing: `list the blocks of ${place(address)}`, subject: 'object' } as const
  try {
    const answer = await calls.run(context, async (request) => (await calls.blob(address)).getBlockList('uncommitted', request), options)
    return readBlockList(answer.uncommittedBlocks ?? [])
  } catch (error) {
    if (isScoreError(error, 'object-not-found')) return noBlocks
    throw error
  }
}

/** Sends the block that begins or ends an upload. */
async function mark(calls: AzureCalls, multipart: MultipartRef, partNumber: number, doing: string, options: CallOptions): Promise<void> {
  const blockId = formatAzureBlockId({ uploadId: multipart.uploadId, partNumber, sentAt: 0 })
  const context = { doing: `${doing} ${place(multipart)}`, subject: 'bucket' } as const
  await calls.run(context, async (request) => (await calls.blob(multipart)).stageBlock(blockId, '.', 1, request), options)
}

async function commit(
  calls: AzureCalls,
  multipart: MultipartRef,
  blockIds: string[],
  { ifAbsent = false, md5, ...options }: CompleteOptions,
): Promise<void> {
  const commitOptions = {
    blobHTTPHeaders: {
      blobContentType: 'application/octet-stream',
      ...(md5 === undefined ? {} : { blobContentMD5: Buffer.from(md5, 'hex') }),
    },
    metadata: { [uploadIdMetadata]: multipart.uploadId },
    ...(ifAbsent ? { conditions: { ifNoneMatch: '*' } } : {}),
  }
  const context = { doing: `join the parts of ${place(multipart)}`, subject: 'upload' } as const
  await calls.run(
    context,
    async (request) => (await calls.blob(multipart)).commitBlockList(blockIds, { ...request, ...commitOptions }),
    options,
  )
}

/**
 * The multipart half of the driver. Azure has no uploads, only uncommitted blocks, so the blocks' names carry them
 * (`src/core/azure-block-id.ts`): an upload is there from a block that begins it until one that ends it, or until something
 * is committed to the blob, for that drops every other block.
 */
export function createAzureMultipart(
  calls: AzureCalls,
  options: Pick<AzureBackendOptions, 'newUploadId'>,
  head: StorageBackend['head'],
): Multipart {
  const { newUploadId = randomUUID } = options

  const heldBy = async (multipart: MultipartRef, call: CallOptions): Promise<readonly HeldBlock[]> => {
    if (!isAzureUploadId(multipart.uploadId)) throw unknownUpload(multipart)
    const held = (await blocksOf(calls, multipart, call)).uploads.get(multipart.uploadId)
    if (held === undefined) throw unknownUpload(multipart)
    return held
  }
  /** Whatever was committed to the blob ended the upload: its own completion, or another object, which must not be replaced. */
  const explainGone = async (multipart: MultipartRef, { ifAbsent = false, ...call }: CompleteOptions): Promise<ScoreError> => {
    const there = ifAbsent ? await head(multipart, call) : undefined
    if (there === undefined || there.uploadId === multipart.uploadId) return unknownUpload(multipart)
    return new ScoreError('object-exists', `there is an object at ${place(multipart)} already, and it shall not be replaced`)
  }

  return {
    async createMultipart(address, call = {}) {
      requireRoom(address, await blocksOf(calls, address, call))
      const multipart = { ...address, uploadId: newUploadId() }
      await mark(calls, multipart, azureBeginning, 'begin an upload to', call)
      return multipart
    },
    async *listParts(multipart, { after = 0, limit = Number.POSITIVE_INFINITY, ...call }: ListPartsOptions = {}) {
      let left = limit
      for (const { number, etag, size } of await heldBy(multipart, call)) {
        if (left <= 0) return
        if (number <= after) continue
        yield { number, etag, ...(size === undefined ? {} : { size }) }
        left--
      }
    },
    async completeMultipart(multipart, parts, completion = {}) {
      const held = await heldBy(multipart, completion).catch(async (error: unknown) => {
        throw isScoreError(error, 'upload-not-found') ? await explainGone(multipart, completion) : error
      })
      const blockIds = chosenBlocks(multipart, parts, held)
      try {
        await commit(calls, multipart, blockIds, completion)
      } catch (error) {
        // Another completion, or an abort, may have come in between.
        if (isScoreError(error, 'part-mismatch')) await heldBy(multipart, completion)
        throw error
      }
    },
    async abortMultipart(multipart, call = {}) {
      const { uploads } = await blocksOf(calls, multipart, call)
      if (uploads.has(multipart.uploadId)) await mark(calls, multipart, azureEnding, 'abort the upload to', call)
    },
  }
}
