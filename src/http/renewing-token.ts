import type { TokenReader } from './http-exchange.ts'

/** A token, and when it runs out if that is known. */
export interface TimedToken {
  readonly token: string
  /** In ms since 1970. */
  readonly expiresAt?: number
}

export interface RenewingTokenOptions {
  /** Where the token comes from at first; `undefined`: there is none. */
  readonly first: () => Promise<TimedToken | undefined>
  /** Gets another for one that runs out or was refused; `undefined`: there is none. Never runs twice at a time. */
  readonly renew: (old: TimedToken) => Promise<TimedToken | undefined>
  /** A token is renewed so long before it runs out; default 30. */
  readonly marginSeconds?: number
  /** Clock in ms since 1970; default the system's. */
  readonly now?: () => number
}

/**
 * A token that is renewed when it runs out and when a service refuses it, however many requests need it at once. What
 * `first` and `renew` throw is thrown by the request.
 */
export function createRenewingToken(options: RenewingTokenOptions): TokenReader {
  const { first, renew, marginSeconds = 30, now = Date.now } = options
  let known: TimedToken | undefined
  let pending: Promise<TimedToken | undefined> | undefined

  const once = (work: () => Promise<TimedToken | undefined>): Promise<TimedToken | undefined> => {
    pending ??= work()
      .then((token) => {
        known = token ?? known
        return token
      })
      .finally(() => {
        pending = undefined
      })
    return pending
  }
  const runsOut = ({ expiresAt }: TimedToken): boolean => expiresAt !== undefined && expiresAt - marginSeconds * 1000 <= now()

  const read = async (): Promise<string | undefined> => {
    const token = known ?? (await once(first))
    if (token === undefined || !runsOut(token)) return token?.token
    return ((await once(() => renew(token))) ?? token).token
  }
  return Object.assign(read, {
    async renew(refused: string): Promise<string | undefined> {
      const token = known
      if (token === undefined || token.token !== refused) return token?.token
      return (await once(() => renew(token)))?.token
    },
  })
}
