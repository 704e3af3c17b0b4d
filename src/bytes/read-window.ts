import type { ByteRange } from '../core/byte-range.ts'

export interface ReadWindowLimits {
  /** Most bytes ahead of a reader; asked each time, since readers share what there is. */
  maximumAheadBytes(): number
  /** Most bytes of one request. */
  readonly requestBytes: number
  /** A run in order of more than this is expected to go on, and not to come back. */
  readonly longRunBytes: number
  /** Every reader reads some of these first: who does may go anywhere from there. Default none. */
  readonly headBytes?: number
}

/** What to do about a read. */
export interface ReadPlan {
  /** What of it is missing is fetched up to here in one request: more than asked for, where readers like this one went on so far. */
  readonly fetchEnd: number
  /** What is worth fetching before it is asked for, in pieces of one request each. */
  readonly ahead: readonly ByteRange[]
  /** The reader went elsewhere: what was fetched ahead and has not begun serves nobody. */
  readonly jumped: boolean
  /** What a long run has left so far behind that it is not expected to be read again; told once. */
  readonly passed?: ByteRange
}

const KiB = 1024
const MiB = 1024 * KiB

/** Programs that read in order ask through a kernel that does not quite: so far ahead or back is still the same run. */
const aheadOfRun = MiB
const behindRun = 4 * MiB
/** So far behind a long run its bytes are kept: twice as much as counts as the same run. */
const keptBehind = 2 * behindRun
/** So many bytes in order make a run that goes on. */
const steadyBytes = 256 * KiB
const firstWindow = MiB
const shortestRun = 64 * KiB
const longestGuess = MiB
const smallestRequest = 256 * KiB

/**
 * Tells one who reads in order from one who jumps. In order, a window ahead grows with every half of it that is used, from
 * 1 MiB to the limit. A jump is answered with as much as the runs before it were long, from 64 KiB to 1 MiB.
 */
export interface ReadWindow {
  /** Told of each read, in the order in which they come. */
  next(range: ByteRange): ReadPlan
}

export function createReadWindow(size: number, limits: ReadWindowLimits): ReadWindow {
  const { headBytes = 0 } = limits
  let runStart = 0
  let runEnd = 0
  let window = 0
  /** Where the window grows next. */
  let mark = 0
  /** Up to here is asked for. */
  let askedEnd = 0
  let guess = steadyBytes
  /** A long run has passed what lies before. */
  let passedEnd = 0

  const jumpTo = (start: number): void => {
    const run = runEnd - runStart
    // A look at the head or at the end tells nothing of how long others will be.
    if (run > 0 && runEnd > headBytes && runEnd < size) guess = Math.min(longestGuess, Math.max(shortestRun, run, guess / 2))
    runStart = start
    runEnd = start
    window = 0
    passedEnd = start
  }

  const passed = (): ByteRange | undefined => {
    // What it read before it was long stays, like anything else.
    const start = Math.max(passedEnd, runStart + limits.longRunBytes - keptBehind)
    const end = runEnd - keptBehind
    if (end <= start) return undefined
    passedEnd = end
    return { start, end }
  }

  const widen = (): void => {
    const most = limits.maximumAheadBytes()
    if (window === 0) {
      window = Math.min(firstWindow, most)
      mark = runEnd + window / 2
    } else if (runEnd >= mark) {
      window = Math.min(2 * window, most)
      mark = runEnd + window / 2
    }
    window = Math.min(window, most)
  }

  const piecesAhead = (): ByteRange[] => {
    const pieces: ByteRange[] = []
    const piece = Math.max(smallestRequest, Math.min(limits.requestBytes, window / 4))
    const limit = Math.min(size, runEnd + window)
    askedEnd = Math.max(askedEnd, runEnd)
    while (askedEnd < limit && (askedEnd + piece <= limit || limit === size)) {
      const end = Math.min(limit, askedEnd + piece)
      pieces.push({ start: askedEnd, end })
      askedEnd = end
    }
    return pieces
  }

  return {
    next({ start, end }) {
      const jumped = start > runEnd + aheadOfRun || start < runEnd - behindRun
      if (jumped) {
        jumpTo(start)
        askedEnd = 0
      }
      if (jumped || start < runStart) runStart = start
      runEnd = Math.max(runEnd, end)
      if (runStart > 0 ? runEnd - runStart <= steadyBytes : runEnd <= headBytes / 2)
        return { fetchEnd: Math.min(size, Math.max(end, runStart + guess)), ahead: [], jumped }
      widen()
      // What was fetched ahead and is gone again is missed in larger pieces than the reader asks for.
      const fetchEnd = Math.min(size, end + Math.min(limits.requestBytes, window / 4))
      const left = passed()
      return { fetchEnd, ahead: piecesAhead(), jumped, ...(left && { passed: left }) }
    },
  }
}
