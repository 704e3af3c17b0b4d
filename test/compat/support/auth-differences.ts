/** How a server treats a caller: as another caller, or always with one status. */
export type Treatment = { readonly as: string } | { readonly status: number }

/** Where our server answers a caller otherwise than the original's, knowingly. */
export interface AuthDifference {
  readonly caller: string
  readonly ours: Treatment
  readonly original: Treatment
  readonly reason: string
}

const refused = { status: 401 } as const

export const authDifferences: readonly AuthDifference[] = [
  {
    caller: 'a text for its scopes',
    ours: { as: 'system scopes' },
    original: { as: 'no scope' },
    reason: 'OIDC writes scopes as one text with blanks; whoever signs the token means them',
  },
  {
    caller: 'the standard scope alone',
    ours: { as: 'system scopes' },
    original: { as: 'no scope' },
    reason: 'the standard claim counts where Ego has its own (score.scope-claims says which do)',
  },
  {
    caller: 'run out 2 s ago',
    ours: { as: 'system scopes' },
    original: refused,
    reason: 'clocks may differ by 60 s, at the end as at the beginning; the original allows that at the beginning alone',
  },
  { caller: 'no end', ours: refused, original: { as: 'system scopes' }, reason: 'a token that never ends cannot be taken back' },
  {
    caller: 'API key without scopes',
    ours: { as: 'no scope' },
    original: refused,
    reason: 'the key is good; it is the right that is missing, and open files need none',
  },
  {
    caller: 'API key whose scope is null',
    ours: { as: 'no scope' },
    original: refused,
    reason: 'as without scopes',
  },
  {
    caller: 'API key while Ego is broken',
    ours: { status: 503 },
    original: refused,
    reason: 'nothing is known of the key, and the same request may succeed later',
  },
  {
    caller: 'two headers',
    ours: refused,
    original: { as: 'system scopes' },
    reason: 'which of them counts would be up to whoever stands in between',
  },
]
