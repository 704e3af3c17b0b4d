import type { CallOptions } from '../core/call-options.ts'
import type { Entity } from '../metadata/metadata-service.ts'

/** Who is asking, once the token is proven. */
export interface Identity {
  readonly subject: string
  readonly scopes: ReadonlySet<string>
  /** When the token runs out, in ms since 1970, where the verifier knows. */
  readonly expiresAt?: number
}

/** "Who are you": a local token, a JWT, an API key. @throws `unauthenticated` when the token is not good. */
export interface TokenVerifier {
  verify(token: string, options?: CallOptions): Promise<Identity>
}

export interface AccessRequest {
  /** The bearer token as sent; `undefined` for an anonymous caller. */
  readonly token: string | undefined
  /**
   * `upload`/`download` are Score's two rights; `list` asks to see the whole store, `catalogue-write` to change a study's
   * records, `identify` only to be known.
   */
  readonly action: 'upload' | 'download' | 'list' | 'catalogue-write' | 'identify'
  /** The object in question. Absent: the whole store, which needs the system scope. */
  readonly objectId?: string
  /** The study, where it is known without asking the catalogue. */
  readonly study?: string
  /** The object's record, for whoever needs it: whoever asks needs it too, and it is asked for once. Throws as `MetadataService.entity`. */
  readonly entity?: () => Promise<Entity>
}

/** "May you". */
export interface Authorizer {
  /**
   * Resolves with who was let in; anonymous callers become an identity without scopes.
   *
   * @throws `unauthenticated` when the token is the problem, `access-denied` when the right is, `entity-not-found` when
   *   the catalogue does not know the object and the right depends on it.
   */
  authorize(request: AccessRequest, options?: CallOptions): Promise<Identity>
}
