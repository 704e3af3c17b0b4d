import type { Entity } from '../../src/index.ts'

/** Endings that the original looks for, in its order of preference. */
const originalEndings = ['.crai', '.bai', '.tbi', '.idx']

/**
 * The index of a file among the entities of its analysis: `x.bam.bai`, whatever the case. With `wide` also `.csi` and
 * `x.bai` beside `x.bam`, which the original does not see.
 */
export function indexOf(entity: Entity, siblings: readonly Entity[], wide: boolean): Entity | undefined {
  const name = entity.fileName.toLowerCase()
  const stem = /^(.+)\.(bam|cram|vcf\.gz|bcf)$/.exec(name)?.[1]
  const names = originalEndings.map((ending) => name + ending)
  if (wide) names.push(`${name}.csi`, ...(stem === undefined ? [] : [...originalEndings, '.csi'].map((ending) => stem + ending)))
  // The original takes the first entity that fits any ending; in this order a CRAM's own index comes before a BAI.
  for (const wanted of names) {
    const found = siblings.find((sibling) => sibling.fileName.toLowerCase() === wanted && sibling.objectId !== entity.objectId)
    if (found) return found
  }
  return undefined
}
