import { endianness } from 'node:os'

const little = endianness() === 'LE'

/** Bytes as a C structure has them, member by member. */
export function bytesOf(members: readonly (readonly ['u16' | 'u32' | 'i32' | 'u64', number] | readonly ['text', string])[]): Uint8Array {
  return Buffer.concat(
    members.map(([type, value]) => {
      if (type === 'text') return Buffer.from(value)
      const bytes = Buffer.alloc({ u16: 2, u32: 4, i32: 4, u64: 8 }[type])
      const view = new DataView(bytes.buffer, bytes.byteOffset)
      if (type === 'u16') view.setUint16(0, value, little)
      if (type === 'u32') view.setUint32(0, value, little)
      if (type === 'i32') view.setInt32(0, value, little)
      if (type === 'u64') view.setBigUint64(0, BigInt(value), little)
      return bytes
    }),
  )
}

export interface AskedHeader {
  readonly opcode: number
  readonly unique: number
  readonly node: number
}

/** A request as the kernel sends it: struct fuse_in_header and what belongs to the opcode. */
export function question({ opcode, unique, node }: AskedHeader, body: Parameters<typeof bytesOf>[0]): Uint8Array {
  const bodyBytes = bytesOf(body)
  const [uid, gid, pid, rest] = [1000, 1000, 4242, 0]
  const header = bytesOf([
    ['u32', 40 + bodyBytes.length],
    ['u32', opcode],
    ['u64', unique],
    ['u64', node],
    ['u32', uid],
    ['u32', gid],
    ['u32', pid],
    ['u32', rest],
  ])
  return Buffer.concat([header, bodyBytes])
}
