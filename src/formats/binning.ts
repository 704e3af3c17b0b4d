/**
 * The binning scheme of BAI and CSI (SAMv1 5.1.1, CSIv1): a tree of bins, each with eight children, numbered level by
 * level from the root 0. The leaves are windows of `2 ** minShift` bases, `depth` levels below the root.
 *
 * Coordinates may pass 2^31 in CSI, so nothing here shifts bits of a coordinate.
 */
export interface BinningScheme {
  /** Base-two logarithm of a leaf's width in bases. */
  readonly minShift: number
  /** Levels below the root. */
  readonly depth: number
}

/** BAI's: 16 KiB leaves, 5 levels, references up to 512 Mi bases. */
export const baiScheme: BinningScheme = { minShift: 14, depth: 5 }

/** First bin of a level; level 0 is the root. */
export function firstBinOfLevel(level: number): number {
  return (8 ** level - 1) / 7
}

/** Bins in the tree; also the number right behind the last of them. 37449 for BAI. */
export function binCount(scheme: BinningScheme): number {
  return firstBinOfLevel(scheme.depth + 1)
}

/** The number of the pseudo-bin with a reference's statistics: 37450 for BAI (SAMv1 5.2). */
export function statisticsBin(scheme: BinningScheme): number {
  return binCount(scheme) + 1
}

/** Bases the scheme can address: positions from 0 up to but without this. 2^29 for BAI. */
export function addressableBases(scheme: BinningScheme): number {
  return 2 ** (scheme.minShift + 3 * scheme.depth)
}

export function parentBin(bin: number): number {
  return Math.floor((bin - 1) / 8)
}

/** The level of a bin; 0 for the root. */
export function levelOfBin(bin: number): number {
  let level = 0
  for (let at = bin; at > 0; at = parentBin(at)) level += 1
  return level
}

/** The smallest bin that holds the whole of `[start, end)`, zero-based; `end` must be greater than `start`. */
export function regionToBin(start: number, end: number, scheme: BinningScheme = baiScheme): number {
  let width = 2 ** scheme.minShift
  for (let level = scheme.depth; level > 0; level -= 1) {
    const first = Math.floor(start / width)
    if (first === Math.floor((end - 1) / width)) return firstBinOfLevel(level) + first
    width *= 8
  }
  return 0
}

/** Ranges of bins, one a level from the root down, that may hold records overlapping `[start, end)`; both ends belong to the range. */
export function regionToBinRanges(
  start: number,
  end: number,
  scheme: BinningScheme = baiScheme,
): { readonly first: number; readonly last: number }[] {
  const limit = addressableBases(scheme)
  const from = Math.min(Math.max(0, start), limit - 1)
  const until = Math.min(Math.max(end, from + 1), limit)
  return Array.from({ length: scheme.depth + 1 }, (_, level) => {
    const width = 2 ** (scheme.minShift + 3 * (scheme.depth - level))
    const base = firstBinOfLevel(level)
    return { first: base + Math.floor(from / width), last: base + Math.floor((until - 1) / width) }
  })
}

/** All bins that may hold records overlapping `[start, end)`, in ascending order. Long for wide regions: an index has fewer bins. */
export function regionToBins(start: number, end: number, scheme: BinningScheme = baiScheme): number[] {
  const bins: number[] = []
  for (const { first, last } of regionToBinRanges(start, end, scheme)) for (let bin = first; bin <= last; bin += 1) bins.push(bin)
  return bins
}

/** The bases a bin stands for, zero-based and half-open. */
export function binToRegion(bin: number, scheme: BinningScheme = baiScheme): { readonly start: number; readonly end: number } {
  const level = levelOfBin(bin)
  const width = 2 ** (scheme.minShift + 3 * (scheme.depth - level))
  const start = (bin - firstBinOfLevel(level)) * width
  return { start, end: start + width }
}
