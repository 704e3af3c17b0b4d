import type { CallOptions } from '../core/call-options.ts'
import type { ByteSource } from './byte-source.ts'

/** Which bytes an answer of a store is of. */
export interface ObjectVersion {
  readonly size: number
  readonly etag?: string
  /** `Last-Modified`, as it came. */
  readonly modified?: string
}

/** A source of an object in a store, which tells which version of it it reads. */
export interface ObjectSource extends ByteSource {
  /** Asked of the store once; every later read is of this version, or fails with `object-changed`. */
  version(options?: CallOptions): Promise<ObjectVersion>
  /** The first bytes, where they came with the version. They are handed over: a read gets them from the store again. */
  takeHead(): Uint8Array | undefined
}

export function isObjectSource(source: ByteSource): source is ObjectSource {
  return 'version' in source && 'takeHead' in source
}
