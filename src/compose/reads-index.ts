import type { CallOptions } from '../core/call-options.ts'
import type { Entity, MetadataService } from '../metadata/metadata-service.ts'
import { indexNamesOf } from '../mount/index-names.ts'

/** Names under which the index of a file of reads may lie, best first: `x.bam` → `x.bam.bai`, `x.bai`, `x.bam.csi`, `x.csi`. */
export function readsIndexNames(fileName: string): string[] {
  const extensions = /\.cram$/i.test(fileName) ? ['crai'] : /\.bam$/i.test(fileName) ? ['bai', 'csi'] : ['bai', 'csi', 'crai']
  return extensions.flatMap((extension) => indexNamesOf(fileName, extension))
}

/** The index of a BAM or CRAM among the files of its analysis, whatever the case of its name; `undefined` when there is none. */
export async function findReadsIndex(
  metadata: Pick<MetadataService, 'entities'>,
  entity: Entity,
  call: CallOptions = {},
): Promise<Entity | undefined> {
  const names = readsIndexNames(entity.fileName.toLowerCase())
  const found = new Map<string, Entity>()
  for await (const other of metadata.entities({ analysisId: entity.analysisId }, call)) {
    const name = other.fileName.toLowerCase()
    if (names.includes(name) && !found.has(name)) found.set(name, other)
  }
  return names.map((name) => found.get(name)).find((one) => one !== undefined)
}
