import { azureBeginning, azureEnding, fitsAzureBlockIds, parseAzureBlockId } from '../../core/azure-block-id.ts'
import type { StoredPart } from '../storage-backend.ts'

/** A part that the store holds, under the block id that joins it. */
export interface HeldBlock extends StoredPart {
  readonly blockId: string
}

/** What the uncommitted blocks of a blob say. */
export interface BlockList {
  /** All of them, of whatever upload. */
  readonly count: number
  /** Whether another program left blocks beside which ours cannot stand. */
  readonly foreign: boolean
  /** Held parts by upload, ascending; an upload that was not begun, or has ended, has no entry. */
  readonly uploads: ReadonlyMap<string, readonly HeldBlock[]>
}

interface Growing {
  begun: boolean
  ended: boolean
  readonly blocks: Map<number, HeldBlock & { readonly sentAt: number }>
}

function heldBlocks(blocks: Growing['blocks']): readonly HeldBlock[] {
  return [...blocks.values()].sort((left, right) => left.number - right.number)
}

/**
 * Reads a list of uncommitted blocks. Of two blocks of one part the one sent later counts; one without the MD5 of its bytes
 * proves nothing and is passed over.
 */
export function readBlockList(blocks: readonly { readonly name: string; readonly size: number }[]): BlockList {
  const uploads = new Map<string, Growing>()
  for (const { name, size } of blocks) {
    const block = parseAzureBlockId(name)
    if (block === undefined) continue
    const { uploadId, partNumber, md5, sentAt } = block
    const upload = uploads.get(uploadId) ?? { begun: false, ended: false, blocks: new Map() }
    uploads.set(uploadId, upload)
    if (partNumber === azureBeginning) upload.begun = true
    else if (partNumber === azureEnding) upload.ended = true
    else if (md5 !== undefined && sentAt >= (upload.blocks.get(partNumber)?.sentAt ?? 0))
      upload.blocks.set(partNumber, { number: partNumber, etag: md5, size, blockId: name, sentAt })
  }
  const open = [...uploads].filter(([, { begun, ended }]) => begun && !ended)
  return {
    count: blocks.length,
    foreign: blocks.some(({ name }) => !fitsAzureBlockIds(name)),
    uploads: new Map(open.map(([uploadId, upload]) => [uploadId, heldBlocks(upload.blocks)])),
  }
}
