import { runPool } from '../core/pool.ts'
import type { BamSlicer } from './bam-slicer.ts'
import type { RegionInput } from './place-regions.ts'
import type { ReadSelection } from './slice-preparation.ts'

/** How many reads a region has. */
export interface RegionCount {
  /** As it was given. */
  readonly region: RegionInput
  readonly reads: number
}

/** Enough that one region's reads of the file come while another's are inflated. */
const regionsAtOnce = 4

/** Counts each region for itself, so that a read which two regions share counts in both; in the order given. */
export async function countRegions(
  slicer: Pick<BamSlicer, 'count'>,
  regions: readonly RegionInput[],
  options: ReadSelection = {},
): Promise<RegionCount[]> {
  const counts: RegionCount[] = []
  const { signal, ...selection } = options
  await runPool(
    regions.entries(),
    async ([at, region], call) => {
      // A signal each, as every count waits for several things at a time.
      const own = AbortSignal.any([call.signal])
      counts[at] = { region, reads: await slicer.count([region], { ...selection, signal: own }) }
    },
    { concurrency: regionsAtOnce, ...(signal && { signal }) },
  )
  return counts
}
