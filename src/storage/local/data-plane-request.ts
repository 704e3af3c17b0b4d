import type { CallOptions } from '../../core/call-options.ts'
import type { SignedGrant } from './signed-url.ts'

/** An HTTP request as plain data. */
export interface DataPlaneRequest extends CallOptions {
  readonly method: string
  /** Below the public URL, as it came (percent-encoded), without the query: `/store/<bucket>/<key>`. */
  readonly path: string
  /** As it came, with or without the leading `?`. */
  readonly query: string
  /** Names in lower case, as node:http gives them. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  /** Pieces must stay untouched after they were given. */
  readonly body: AsyncIterable<Uint8Array>
}

/** A request whose signature holds, about one object. */
export interface GrantedRequest extends DataPlaneRequest {
  readonly grant: SignedGrant
}

export function headerOf(request: DataPlaneRequest, name: string): string | undefined {
  const value = request.headers[name]
  return typeof value === 'string' || value === undefined ? value : value.join(', ')
}
