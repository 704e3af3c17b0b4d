import { readTag } from './bam-tags.ts'

/** Where the tags of an encoded record begin (SAMv1 4.2). */
function tagsStart(view: DataView): number {
  const nameBytes = view.getUint8(12)
  const operations = view.getUint16(16, true)
  const bases = view.getUint32(20, true)
  return 36 + nameBytes + operations * 4 + ((bases + 1) >> 1) + bases
}

/**
 * An encoded record with other values in text tags (type `Z`); the rest stays byte for byte. Tags behind one that cannot be
 * read are left alone.
 *
 * @param newValue gives the new value of a tag, `undefined` where it stays
 * @returns `bytes` itself when nothing changes
 */
export function retagRecord(bytes: Uint8Array, newValue: (name: string, value: string) => string | undefined): Uint8Array {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const parts: Uint8Array[] = []
  let done = 0
  for (let at = tagsStart(view); at < data.length; ) {
    const read = readTag(data, view, at, data.length)
    if (!read) break
    const { tag, next } = read
    const value = tag.type === 'Z' ? newValue(tag.name, tag.value) : undefined
    if (value !== undefined) {
      parts.push(data.subarray(done, at + 3), Buffer.from(`${value}\0`, 'latin1'))
      done = next
    }
    at = next
  }
  if (parts.length === 0) return bytes
  const made = Buffer.concat([...parts, data.subarray(done)])
  made.writeInt32LE(made.length - 4, 0)
  return made
}
