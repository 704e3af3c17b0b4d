import { ScoreError } from '../core/errors.ts'
import { createRegionParser, formatRegion, mergeRegions, type Region, unplacedReference } from '../core/region.ts'
import type { BamHeader } from '../formats/bam-header.ts'
import type { PlacedRegion } from './slice-plan.ts'

/** A region as text, as `samtools view` takes it, or as data. */
export type RegionInput = string | Region

function requireRegion(region: Region): Region {
  const { start, end } = region
  if (Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && start < end) return region
  const what = end <= start ? 'its end comes before its start, or it is empty' : 'its ends must be whole numbers from 0 on'
  throw new ScoreError('invalid-request', `region '${region.reference}' from ${start} to ${end}: ${what}`)
}

function place(regions: readonly RegionInput[], header: BamHeader): PlacedRegion[] {
  const names = header.references.map(({ name }) => name)
  const parse = createRegionParser(names)
  const numbers = new Map(names.map((name, at) => [name, at]))
  const plain = regions.map((region) => (typeof region === 'string' ? parse(region) : requireRegion(region)))
  return mergeRegions(plain, names).map((region) => ({ ...region, referenceId: numbers.get(region.reference) ?? -1 }))
}

function intersect(regions: readonly PlacedRegion[], allowed: readonly PlacedRegion[]): PlacedRegion[] {
  const common: PlacedRegion[] = []
  for (const region of regions) {
    for (const other of allowed) {
      if (other.referenceId !== region.referenceId) continue
      const both = { ...region, start: Math.max(region.start, other.start), end: Math.min(region.end, other.end) }
      if (both.start < both.end) common.push(both)
    }
  }
  return common
}

/**
 * The regions of a request, merged and in file order, cut down to what is allowed.
 *
 * @throws `invalid-request` for an unknown reference, with a hint at its other name, or a bad range; `access-denied` when
 *   nothing of the request is allowed.
 */
export function placeRegions(regions: readonly RegionInput[], header: BamHeader, allowedRegions?: readonly RegionInput[]): PlacedRegion[] {
  const placed = place(regions, header)
  if (!allowedRegions || placed.length === 0) return placed
  const common = intersect(placed, place(allowedRegions, header))
  if (common.length > 0) return common
  const first = placed[0] as PlacedRegion
  const asked = first.reference === unplacedReference ? 'the reads without a place' : `region '${formatRegion(first)}'`
  throw new ScoreError('access-denied', `${asked}${placed.length > 1 ? ' and others' : ''}: outside what may be read of this file`)
}
