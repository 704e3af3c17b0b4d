import { isScoreError, type ProblemCode } from '../core/errors.ts'
import type { AccessRequest, Authorizer, Identity } from './authorizer.ts'

/** What an {@link Authorizer} said, without the token. */
export interface AuthDecision {
  readonly action: AccessRequest['action']
  readonly objectId?: string
  readonly study?: string
  /** Who asked, where it is known. */
  readonly subject?: string
  /** No token was sent. */
  readonly anonymous: boolean
  /** `denied`: the right is missing, or what is asked for is unknown. `failed`: no decision could be made. */
  readonly outcome: 'allowed' | 'denied' | 'unauthenticated' | 'failed'
  /** Why it was not allowed. */
  readonly code?: ProblemCode | 'unknown'
  readonly durationMs: number
}

export interface ObservedAuthorizerOptions {
  readonly authorizer: Authorizer
  /** Called once for every request to it, also for those by which the service only finds out what a caller may see. */
  readonly onDecision: (decision: AuthDecision) => void
  /** Milliseconds; default a monotonic clock. */
  readonly now?: () => number
}

function outcomeOf(error: unknown): Pick<AuthDecision, 'outcome' | 'code'> {
  if (!isScoreError(error)) return { outcome: 'failed', code: 'unknown' }
  const { code } = error
  if (code === 'unauthenticated') return { outcome: 'unauthenticated', code }
  return { outcome: code === 'access-denied' || code === 'entity-not-found' ? 'denied' : 'failed', code }
}

/** Tells of every decision of another authorizer, for an audit. Decisions are not changed by it. */
export function createObservedAuthorizer(options: ObservedAuthorizerOptions): Authorizer {
  const { authorizer, onDecision, now = () => performance.now() } = options
  const tell = (request: AccessRequest, decision: Pick<AuthDecision, 'subject' | 'outcome' | 'code' | 'durationMs'>): void => {
    const { action, objectId, study, token } = request
    onDecision({
      action,
      anonymous: token === undefined,
      ...(objectId === undefined ? {} : { objectId }),
      ...(study === undefined ? {} : { study }),
      ...decision,
    })
  }
  /** A refusal does not say whom it refused, so the authorizer is asked; verifiers keep what they know of a token. */
  const subjectOf = async ({ token }: AccessRequest): Promise<Pick<AuthDecision, 'subject'>> => {
    if (token === undefined) return {}
    return authorizer.authorize({ token, action: 'identify' }).then(
      ({ subject }) => ({ subject }),
      () => ({}),
    )
  }
  return {
    async authorize(request, call) {
      const started = now()
      let identity: Identity
      try {
        identity = await authorizer.authorize(request, call)
      } catch (error) {
        const durationMs = now() - started
        const outcome = outcomeOf(error)
        tell(request, { ...outcome, durationMs, ...(outcome.outcome === 'denied' ? await subjectOf(request) : {}) })
        throw error
      }
      tell(request, { subject: identity.subject, outcome: 'allowed', durationMs: now() - started })
      return identity
    },
  }
}
