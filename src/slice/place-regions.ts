import { ScoreError } from '../core/errors.ts'
import { createRegionParser, formatRegion, mergeRegions, type Region, unboundedEnd, unplacedReference } from '../core/region.ts'
import type { BamHeader } from '../formats/bam-header.ts'
import type { PlacedRegion } from './slice-plan.ts'

/** A region as htsget and other GA4GH interfaces write it: zero-based and half-open, from the begin and to the end where nothing is said. */
export interface Ga4ghRegion {
  readonly referenceName: string
  readonly start?: number
  readonly end?: number
}

/** A region as text, as `samtools view` takes it, or as data. */
export type RegionInput = string | Region | Ga4ghRegion

/** Regions, or everything that the file holds, reads without a place among it. */
export type RegionSelection = readonly RegionInput[] | 'all'

function plainRegion(region: Region | Ga4ghRegion): Region {
  if (!('referenceName' in region)) return region
  const { referenceName, start, end } = region
  if (referenceName === unplacedReference && (start !== undefined || end !== undefined))
    throw new ScoreError('invalid-request', `region '${unplacedReference}': reads without a place have neither start nor end`)
  return { reference: referenceName, start: start ?? 0, end: end ?? unboundedEnd }
}

function requireRegion(given: Region | Ga4ghRegion): Region {
  const region = plainRegion(given)
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

/** Both merged and in file order. */
function intersect(regions: readonly PlacedRegion[], allowed: readonly PlacedRegion[]): PlacedRegion[] {
  const common: PlacedRegion[] = []
  let first = 0
  for (const region of regions) {
    while (first < allowed.length && endsBefore(allowed[first] as PlacedRegion, region)) first += 1
    for (let at = first; at < allowed.length; at += 1) {
      const other = allowed[at] as PlacedRegion
      if (other.referenceId !== region.referenceId || other.start >= region.end) break
      common.push({ ...region, start: Math.max(region.start, other.start), end: Math.min(region.end, other.end) })
    }
  }
  return common
}

/** Whether `one` lies wholly before `other`. Reads without a place come last, whatever their number. */
function endsBefore(one: PlacedRegion, other: PlacedRegion): boolean {
  if (one.referenceId === other.referenceId) return one.end <= other.start
  return one.referenceId >= 0 && (other.referenceId < 0 || one.referenceId < other.referenceId)
}

/** Every reference, then the reads without a place. */
export function everyRegion(header: BamHeader): PlacedRegion[] {
  const references = header.references.map(({ name }, referenceId) => ({ reference: name, start: 0, end: unboundedEnd, referenceId }))
  return [...references, { reference: unplacedReference, start: 0, end: unboundedEnd, referenceId: -1 }]
}

/**
 * The regions of a request, merged and in file order, cut down to what is allowed. `all` stays so where everything is allowed.
 *
 * @throws `invalid-request` for an unknown reference, with a hint at its other name, or a bad range; `access-denied` when
 *   nothing of the request is allowed.
 */
export function placeRegions(
  regions: RegionSelection,
  header: BamHeader,
  allowedRegions?: readonly RegionInput[],
): readonly PlacedRegion[] | 'all' {
  if (regions === 'all' && !allowedRegions) return 'all'
  const placed = regions === 'all' ? everyRegion(header) : place(regions, header)
  if (!allowedRegions || placed.length === 0) return placed
  const common = intersect(placed, place(allowedRegions, header))
  if (common.length > 0) return common
  const first = placed[0] as PlacedRegion
  const asked = first.reference === unplacedReference ? 'the reads without a place' : `region '${formatRegion(first)}'`
  throw new ScoreError('access-denied', `${asked}${placed.length > 1 ? ' and others' : ''}: outside what may be read of this file`)
}
