import { ScoreError } from '../core/errors.ts'

/** Version of a CRAM file: 2.0, 2.1, 3.0 or 3.1. */
export interface CramVersion {
  readonly major: 2 | 3
  readonly minor: 0 | 1
}

/** Magic, version and the file's id, at the begin of every CRAM file (CRAM 3.1, 6). */
export const fileDefinitionBytes = 26

/** The empty container that ends a whole file of this version (CRAM 3.1, 9; 2.0 knows none). */
export function cramEofContainer({ major, minor }: CramVersion): Uint8Array {
  if (major === 2 && minor === 0) return new Uint8Array(0)
  const eof =
    major === 2
      ? '0b000000ffffffff0fe0454f4600000000010000010006060100010001'
      : '0f000000ffffffff0fe0454f4600000000010005bdd94f0001000606010001000100ee63014b'
  return Uint8Array.from(Buffer.from(major === 2 ? `${eof}00` : eof, 'hex'))
}

/** Whether these are the first bytes of a CRAM file of any version. */
export function isCram(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && Buffer.from(bytes.buffer, bytes.byteOffset, 4).toString('latin1') === 'CRAM'
}

/** Reads the version out of a file's first bytes. @throws `invalid-format` when they are not CRAM, or of a version that is not known. */
export function readCramVersion(bytes: Uint8Array, name: string): CramVersion {
  if (!isCram(bytes) || bytes.length < fileDefinitionBytes)
    throw new ScoreError('invalid-format', `${name}: not a CRAM file (it does not begin with a CRAM file definition)`)
  const [major, minor] = [bytes[4], bytes[5]]
  if ((major === 2 || major === 3) && (minor === 0 || minor === 1)) return { major, minor }
  throw new ScoreError(
    'invalid-format',
    `${name}: CRAM ${major}.${minor} is not supported, only 2.0 to 3.1; 'samtools view -C' of a release that reads it makes a newer one`,
  )
}
