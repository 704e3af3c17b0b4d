import { hash } from 'node:crypto'
import type { Context, Middleware, Next } from 'koa'
import { isScoreError, ScoreError } from '../../src/index.ts'

export interface FailedAuthenticationOptions {
  /** Failures of one credential from one address before it is no longer looked at; default 10. */
  readonly failures?: number
  /** Failures from one address, whatever the credentials, before only those are looked at that were good before; default 100. */
  readonly addressFailures?: number
  /** From the first failure on; default 60. */
  readonly windowSeconds?: number
  /** Pairs of address and credential to remember, and as many addresses; the oldest are forgotten. Default 10,000. */
  readonly remembered?: number
  readonly now?: () => number
}

interface Failures {
  count: number
  readonly until: number
}

const loopback = /^(?:127(?:\.\d{1,3}){3}|::1|::ffff:127(?:\.\d{1,3}){3})$/

/** The network that one subscriber has: of an IPv6 address the first 64 bits, for the rest is theirs to choose. */
function networkOf(address: string): string {
  if (!address.includes(':') || address.includes('.')) return address
  const [front = ''] = address.split('::')
  return [...front.split(':'), '0', '0', '0'].slice(0, 4).join(':')
}

/** The last few keys, each with a value. */
function createRecent<Value>(capacity: number) {
  const entries = new Map<string, Value>()
  return {
    get: (key: string) => entries.get(key),
    delete: (key: string) => entries.delete(key),
    set(key: string, value: Value): void {
      entries.delete(key)
      if (entries.size >= capacity) entries.delete(entries.keys().next().value as string)
      entries.set(key, value)
    },
  }
}

function createCounter(windowSeconds: number, remembered: number, now: () => number) {
  const known = createRecent<Failures>(remembered)
  return {
    note(key: string): void {
      const found = known.get(key)
      if (found && found.until > now()) found.count++
      else known.set(key, { count: 1, until: now() + windowSeconds * 1000 })
    },
    /** Seconds until it is looked at again; `undefined` while it has failed less than `most` times. */
    waits(key: string, most: number): number | undefined {
      const found = known.get(key)
      return found && found.count >= most && found.until > now() ? Math.ceil((found.until - now()) / 1000) : undefined
    },
  }
}

/** Who is told that a right is missing was known by the token. */
function outcomeOf(error: unknown): 'good' | 'bad' | 'unknown' {
  if (isScoreError(error, 'unauthenticated')) return 'bad'
  return isScoreError(error, 'access-denied') ? 'good' : 'unknown'
}

function refuse(ctx: Context, seconds: number, what: string): never {
  ctx.set('Retry-After', String(seconds))
  throw new ScoreError('unauthenticated', `${what}; try again in ${seconds} s`)
}

/**
 * Spares the verifier a credential that has failed again and again from the same address, and an address that tries one
 * credential after the other: both are answered 401 without being looked at until the window ends. A credential that was
 * good before is always looked at, loopback is never touched, and memory stays bounded whatever is sent.
 */
export function throttleFailedAuthentications(options: FailedAuthenticationOptions = {}): Middleware {
  const { failures = 10, addressFailures = 100, windowSeconds = 60, remembered = 10_000, now = Date.now } = options
  const pairs = createCounter(windowSeconds, remembered, now)
  const networks = createCounter(windowSeconds, remembered, now)
  const good = createRecent<true>(remembered)

  const watch = async (ctx: Context, next: Next, credential: string): Promise<void> => {
    const network = networkOf(ctx.ip)
    // Kept as a hash, so that memory holds no tokens.
    const pair = hash('sha256', `${ctx.ip}\0${credential}`, 'base64')
    const pairWaits = pairs.waits(pair, failures)
    if (pairWaits !== undefined) refuse(ctx, pairWaits, 'this credential failed too often')
    const networkWaits = good.get(pair) ? undefined : networks.waits(network, addressFailures)
    if (networkWaits !== undefined) refuse(ctx, networkWaits, 'too many credentials from this address were no good')
    const note = (outcome: 'good' | 'bad' | 'unknown'): void => {
      if (outcome === 'good') good.set(pair, true)
      if (outcome !== 'bad') return
      good.delete(pair)
      pairs.note(pair)
      networks.note(network)
    }
    try {
      await next()
    } catch (error) {
      note(outcomeOf(error))
      throw error
    }
    note(ctx.status === 401 ? 'bad' : ctx.status < 400 ? 'good' : 'unknown')
  }
  return (ctx, next) => {
    const credential = ctx.get('Authorization')
    return credential === '' || loopback.test(ctx.ip) ? next() : watch(ctx, next, credential)
  }
}
