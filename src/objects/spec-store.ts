import type { CallOptions } from '../core/call-options.ts'
import { normalizeMd5 } from '../core/checksum.ts'
import type { ObjectSpec, Part } from '../core/object-spec.ts'
import type { ObjectLayout } from '../storage/object-layout.ts'
import type { ObjectAddress, ObjectStat, StorageBackend } from '../storage/storage-backend.ts'
import { parseJson } from '../wire/json-reader.ts'
import { objectSpecFromJson, objectSpecToJson } from '../wire/object-spec-json.ts'
import { documentText, readDocumentBytes, writeDocument } from './document.ts'

/** A finished object: what is known of it, and where its bytes are. */
export interface StoredSpec {
  readonly spec: ObjectSpec
  readonly data: ObjectAddress
  readonly meta: ObjectAddress
}

/** An object that came without a `.meta` file. */
export interface BareObject {
  readonly data: ObjectAddress
  readonly stat: ObjectStat
  /** From the store or the custom metadata, lower-case hex. */
  readonly md5?: string
}

/** The `.meta` files of finished objects (score-server.md 3.1), looked for in the pool's bucket and then outside of it. */
export interface SpecStore {
  /**
   * Where clients write objects by themselves, only a file that tells of the bytes that are there.
   *
   * @throws `invalid-format` when the file can't be read; trouble of the store passes through.
   */
  read(objectId: string, options?: CallOptions): Promise<StoredSpec | undefined>
  /** Whether there is a `.meta` file, which is what "exists" means to the original; on Azure, the blob. */
  exists(objectId: string, options?: CallOptions): Promise<boolean>
  /** Writes `.meta` without any URL: a stored one would be a live right to write. */
  write(spec: ObjectSpec, options?: CallOptions): Promise<void>
  remove(address: ObjectAddress, options?: CallOptions): Promise<void>
  /** The bytes themselves, of an object without `.meta`. */
  bare(objectId: string, options?: CallOptions): Promise<BareObject | undefined>
}

export interface SpecStoreOptions {
  readonly backend: StorageBackend
  readonly layout: ObjectLayout
  /** User metadata that holds the MD5 of an object without `.meta`, hex or base64; default `md5chksum`. */
  readonly customMd5Property?: string
}

/** Of documents whose specs are kept; a spec takes a few times the memory of its text. */
const rememberedBytes = 4 * 1024 * 1024

function withoutUrl({ number, range, md5 }: Part): Part {
  return { number, range, ...(md5 === undefined ? {} : { md5 }) }
}

/** Specs that were read last, by the very bytes that they were read from: another text is another spec, whatever wrote it. */
function createSpecReader(): (bytes: Uint8Array, address: ObjectAddress) => ObjectSpec {
  const known = new Map<string, { readonly bytes: Uint8Array; readonly spec: ObjectSpec }>()
  let kept = 0
  const forget = (name: string): void => {
    kept -= known.get(name)?.bytes.length ?? 0
    known.delete(name)
  }
  return (bytes, { bucket, key }) => {
    const name = `${bucket}/${key}`
    const found = known.get(name)
    forget(name)
    const read = (): ObjectSpec => {
      const what = `'${key}' in bucket '${bucket}'`
      const spec = objectSpecFromJson(parseJson(documentText(bytes), what), what)
      return { ...spec, parts: spec.parts.map(withoutUrl) }
    }
    const spec = found && Buffer.compare(found.bytes, bytes) === 0 ? found.spec : read()
    known.set(name, { bytes, spec })
    kept += bytes.length
    for (const oldest of known.keys()) {
      if (kept <= rememberedBytes) break
      forget(oldest)
    }
    return spec
  }
}

/** Whether a `.meta` file tells of these bytes: the same upload made them, or they have the same size and MD5. */
function tellsOf(spec: ObjectSpec, stat: ObjectStat): boolean {
  return stat.uploadId === spec.uploadId || (stat.md5 !== undefined && stat.md5 === spec.md5 && stat.size === spec.size)
}

export function createSpecStore({ backend, layout, customMd5Property = 'md5chksum' }: SpecStoreOptions): SpecStore {
  const read = createSpecReader()
  // Where clients write objects by themselves a `.meta` file may be that of bytes that are no more, and none may be missing.
  const bytesDecide = backend.presignObjectWrite !== undefined
  const md5Of = (stat: ObjectStat): string | undefined => stat.md5 ?? normalizeMd5(stat.metadata[customMd5Property.toLowerCase()])
  return {
    async read(objectId, options) {
      const dataCandidates = layout.data(objectId)
      for (const [index, meta] of layout.meta(objectId).entries()) {
        const bytes = await readDocumentBytes(backend, meta, options)
        if (bytes === undefined) continue
        const data = dataCandidates[index] ?? dataCandidates[0]
        const spec = read(bytes, meta)
        const stat = bytesDecide ? await backend.head(data, options) : undefined
        if (bytesDecide && (stat === undefined || !tellsOf(spec, stat))) continue
        return { spec: { ...spec, objectId }, data, meta }
      }
      return undefined
    },
    async exists(objectId, options) {
      const proofs = bytesDecide ? layout.data(objectId) : layout.meta(objectId)
      for (const proof of proofs) if (await backend.head(proof, options)) return true
      return false
    },
    async write(spec, options) {
      await writeDocument(backend, layout.meta(spec.objectId)[0], objectSpecToJson({ ...spec, parts: spec.parts.map(withoutUrl) }), options)
    },
    remove: (address, options) => backend.delete(address, options),
    async bare(objectId, options) {
      for (const data of layout.data(objectId)) {
        const stat = await backend.head(data, options)
        if (!stat) continue
        const md5 = md5Of(stat)
        return { data, stat, ...(md5 === undefined ? {} : { md5 }) }
      }
      return undefined
    },
  }
}
