import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import type { MetadataService } from '../metadata/metadata-service.ts'
import type { AccessRequest, Authorizer, Identity, TokenVerifier } from './authorizer.ts'
import { defaultScopePolicy, hasStudyScope, hasSystemScope, isOpenAccess, type Right, type ScopePolicy } from './scope-policy.ts'

export interface StudyAuthorizerDependencies {
  readonly verifier: TokenVerifier
  readonly metadata: MetadataService
  /** Default {@link defaultScopePolicy}. */
  readonly policy?: ScopePolicy
}

const anonymous: Identity = { subject: 'anonymous', scopes: new Set() }

const rightOf = { upload: 'upload', download: 'download', list: 'download', 'catalogue-write': 'catalogue' } as const satisfies Record<
  Exclude<AccessRequest['action'], 'identify'>,
  Right
>

function denied(request: AccessRequest, right: Right, policy: ScopePolicy, study?: string): ScoreError {
  const rule = policy[right]
  const scopes = study === undefined ? `'${rule.system}'` : `'${rule.system}' or '${rule.study.prefix}${study}${rule.study.suffix}'`
  const subject = request.objectId === undefined ? (study === undefined ? 'this' : `study ${study}`) : `object ${request.objectId}`
  const bearer = request.token === undefined ? 'no token came with the request' : 'the token does not have it'
  return new ScoreError('access-denied', `${right} of ${subject} needs the scope ${scopes}, and ${bearer}`)
}

/**
 * The original's rules (score-server.md 6.4, 6.5): a system scope gives a right everywhere and asks the catalogue nothing;
 * else the scope of the object's study does; open files may be read by everyone, also without a token. A token that is
 * sent must be good, whatever is asked.
 *
 * `download` of a `study` without an object asks for the right to all of the study's files, controlled ones too.
 */
export function createStudyAuthorizer({ verifier, metadata, policy = defaultScopePolicy }: StudyAuthorizerDependencies): Authorizer {
  const authorizeByStudy = async (request: AccessRequest, right: Right, identity: Identity, options: CallOptions): Promise<Identity> => {
    let study = request.study
    if (request.objectId !== undefined) {
      const entity = await (request.entity?.() ?? metadata.entity(request.objectId, options))
      if (right === 'download' && isOpenAccess(entity)) return identity
      study = entity.study
    }
    // A record without study belongs to nobody, whatever scope `<prefix><suffix>` may say.
    if (study !== undefined && study !== '' && hasStudyScope(policy, right, identity.scopes, study)) return identity
    throw denied(request, right, policy, study)
  }

  return {
    async authorize(request, options = {}) {
      const identity = request.token === undefined ? anonymous : await verifier.verify(request.token, options)
      const needsToken = request.action === 'identify' || request.action === 'list' || request.action === 'catalogue-write'
      if (needsToken && request.token === undefined)
        throw new ScoreError('unauthenticated', 'an access token is needed here, and none came with the request')
      if (request.action === 'identify') return identity
      const right = rightOf[request.action]
      if (hasSystemScope(policy, right, identity.scopes)) return identity
      if (request.action === 'list') throw denied(request, right, policy)
      return authorizeByStudy(request, right, identity, options)
    },
  }
}
