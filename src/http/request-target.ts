import { ScoreError } from '../core/errors.ts'
import { redactUrl } from '../core/redact.ts'

/** A URL as it goes on the wire: the target is the text between authority and fragment, character for character. */
export interface RequestTarget {
  readonly url: string
  readonly secure: boolean
  readonly host: string
  readonly port: number
  /** Path and query. */
  readonly path: string
}

/** The signature covers every character of path and query, so they are cut out and never rebuilt from a parsed form. */
export function parseTarget(url: string): RequestTarget {
  const match = /^(https?):\/\/(?:[^/?#@]*@)?(\[[0-9a-f:.]+\]|[^/?#@:]+)(?::(\d{1,5}))?([/?][^#]*)?(?:#.*)?$/i.exec(url)
  const [, scheme = '', host = '', port, rest = '/'] = match ?? []
  if (!match || /[^\x21-\x7e]/.test(rest)) {
    throw new ScoreError('store-protocol', `the service gave a URL that cannot be sent: '${redactUrl(url)}'`)
  }
  const secure = scheme.toLowerCase() === 'https'
  return {
    url,
    secure,
    host: host.replace(/^\[(.*)\]$/, '$1'),
    port: port === undefined ? (secure ? 443 : 80) : Number(port),
    path: rest.startsWith('?') ? `/${rest}` : rest,
  }
}
