import type { CallOptions } from '../core/call-options.ts'
import { isScoreError, ScoreError } from '../core/errors.ts'
import type { Part, SignedPart } from '../core/object-spec.ts'
import { urlLife } from '../core/url-life.ts'

/** Less life than this left, and fresh URLs are asked for before the next part begins. */
export const renewalMarginMs = 60_000
/** A URL signed so recently that is refused has not run out: it is a denial (transfer.md 8.5). */
export const denialWindowMs = 60_000
const refusalsPerPart = 4

export interface PartUrlsOptions {
  readonly objectId: string
  readonly direction: 'upload' | 'download'
  readonly parts: readonly SignedPart[]
  /** Asks the service again. One call serves all parts; it is never running twice. */
  readonly renew: () => Promise<readonly SignedPart[]>
  readonly now: () => number
  /** Told when fresh URLs are asked for. */
  readonly onRenewal: (reason: string) => void
}

/** The URLs of one object's parts, kept fresh. */
export interface PartUrls {
  /**
   * Calls `use` with a URL of the part that should last. A refusal (`url-expired`) gets one fresh URL; a refusal of a URL
   * signed less than a minute ago is a denial.
   *
   * @throws `access-denied` for a denial; `url-expired` when the service has only the old URL; `object-changed` when the
   *   service's plan is no longer the one begun with; what `use` and the service throw.
   */
  with<Result>(part: Part, use: (url: string) => Promise<Result>, options?: CallOptions): Promise<Result>
  /** Asks for fresh URLs now, unless that is under way. */
  renew(reason: string): Promise<void>
  /** How long parts take, so that a URL is not begun with that runs out at once. */
  tookMs(ms: number): void
}

function samePlace(a: Part, b: Part): boolean {
  return a.number === b.number && a.range.start === b.range.start && a.range.end === b.range.end
}

/** @throws `object-changed` unless both lists have the same numbers, offsets and sizes in the same order. */
export function requireSamePlan(objectId: string, begun: readonly Part[], fresh: readonly Part[]): void {
  const differs = begun.length !== fresh.length || begun.some((part, index) => !samePlace(part, fresh[index] as Part))
  if (!differs) return
  throw new ScoreError(
    'object-changed',
    `the service now divides object ${objectId} in another way than when this transfer began: the object was replaced. Start over with overwrite (--force)`,
  )
}

export function createPartUrls(options: PartUrlsOptions): PartUrls {
  const { objectId, direction, now } = options
  const plan: readonly Part[] = options.parts
  let current = new Map(options.parts.map((part) => [part.number, part.url]))
  let generation = 0
  let receivedAt = now()
  let stuck = false
  let slowestMs = 0
  // How far the signer's clock is ahead of ours. An upload's stored URLs may be days old, so there only a date in our future tells.
  let clockOffset = offsetOf(options.parts)
  let flight: Promise<void> | undefined

  function offsetOf(parts: readonly SignedPart[]): number {
    const signedAt = parts[0] && urlLife(parts[0].url).signedAt
    if (signedAt === undefined) return 0
    const offset = signedAt - now()
    return direction === 'download' ? offset : Math.max(0, offset)
  }

  async function fetchFresh(reason: string): Promise<void> {
    options.onRenewal(reason)
    const fresh = await options.renew()
    requireSamePlan(objectId, plan, fresh)
    stuck = fresh.length > 0 && fresh.every((part) => current.get(part.number) === part.url)
    current = new Map(fresh.map((part) => [part.number, part.url]))
    clockOffset = offsetOf(fresh)
    receivedAt = now()
    generation++
  }

  function renew(reason: string): Promise<void> {
    flight ??= fetchFresh(reason).finally(() => {
      flight = undefined
    })
    return flight
  }

  function remainingMs(url: string): number | undefined {
    const { expiresAt } = urlLife(url)
    return expiresAt === undefined ? undefined : expiresAt - (now() + clockOffset)
  }

  function runsOut(url: string): boolean {
    const life = urlLife(url)
    const remaining = remainingMs(url)
    if (remaining === undefined || life.expiresAt === undefined) return false
    const whole = life.expiresAt - (life.signedAt ?? receivedAt + clockOffset)
    return remaining < Math.min(Math.max(renewalMarginMs, 3 * slowestMs), whole / 2)
  }

  async function urlFor(part: Part): Promise<{ readonly url: string; readonly generation: number }> {
    if (flight) await flight
    const url = current.get(part.number) as string
    // URLs that the service cannot sign again are used until the store refuses them: clocks may differ.
    if (!stuck && runsOut(url)) await renew('the URLs are about to run out')
    return { url: current.get(part.number) as string, generation }
  }

  async function refused(part: Part, lease: { readonly url: string; readonly generation: number }, error: ScoreError): Promise<void> {
    if (lease.generation < generation) return
    const isOver = (): boolean => (remainingMs(lease.url) ?? 1) <= 0
    if (stuck && isOver()) throw windowOver(error)
    if (generation > 0 && now() - receivedAt < denialWindowMs && !flight) throw denial(part, error)
    await renew(`the store refused the URL of part ${part.number}`)
    // The same URL again, still alive, was signed in the same second: it gets its second try like any other.
    if (current.get(part.number) === lease.url && isOver()) throw windowOver(error)
  }

  function denial(part: Part, error: ScoreError): ScoreError {
    return new ScoreError(
      'access-denied',
      `the object store refuses part ${part.number} of object ${objectId} although its URL is fresh: ${error.message}. Ask the operator of the service; a wrong clock or a proxy that changes requests can be the reason`,
      { cause: error },
    )
  }

  function windowOver(error: ScoreError): ScoreError {
    const way =
      direction === 'upload'
        ? 'The window of this upload is over and the service cannot sign its URLs again: start over with overwrite (--force)'
        : 'The service keeps giving the same URLs: repeat later, or ask its operator'
    return new ScoreError('url-expired', `the URLs of object ${objectId} have run out. ${way}`, { cause: error })
  }

  return {
    renew,
    tookMs: (ms) => {
      slowestMs = Math.max(slowestMs, ms)
    },
    async with(part, use, callOptions) {
      for (let refusals = 1; ; refusals++) {
        callOptions?.signal?.throwIfAborted()
        const lease = await urlFor(part)
        try {
          return await use(lease.url)
        } catch (error) {
          if (!isScoreError(error, 'url-expired')) throw error
          if (refusals >= refusalsPerPart) throw denial(part, error)
          await refused(part, lease, error)
        }
      }
    },
  }
}
