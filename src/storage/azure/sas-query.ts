import { createHmac, createSecretKey, type KeyObject } from 'node:crypto'

/** Version of the signature. Fixed, so that stores older than the SDK understand it; from 2019-12-12 on a block may have 4000 MiB. */
export const sasVersion = '2020-12-06'

/** A key that Entra ID lets this identity sign with for some days. Times as the store gave them. */
export interface DelegationKey {
  readonly objectId: string
  readonly tenantId: string
  readonly startsOn: Date
  readonly expiresOn: Date
  readonly service: string
  readonly version: string
  /** Base64. */
  readonly value: string
}

export interface SasRequest {
  readonly accountName: string
  readonly container: string
  readonly blob: string
  /** What may be done: letters in the order of `racwd`, or the stored access policy that says so. */
  readonly rights: { readonly permissions: string } | { readonly policy: string }
  readonly startsOn: Date
  readonly expiresOn: Date
}

/** Signs the right to one blob. Synchronous: some microseconds. */
export type SasSigner = (request: SasRequest) => string

/** `2026-11-24T02:37:36Z`: whole seconds, as the original's client reads it. */
function sasTime(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`
}

function pair(name: string, value: string): string {
  return value === '' ? '' : `&${name}=${encodeURIComponent(value)}`
}

interface Signature {
  /** Lines of the text to sign between the resource and the version. */
  readonly lines: string
  /** Of the query, between `se` and `sr`. */
  readonly query: string
}

function ofKey({ rights }: SasRequest): Signature {
  const policy = 'policy' in rights ? rights.policy : ''
  return { lines: `${policy}\n\n`, query: pair('si', policy) }
}

function ofDelegation(key: DelegationKey): Signature {
  const { objectId, tenantId, service, version } = key
  const [starts, expires] = [sasTime(key.startsOn), sasTime(key.expiresOn)]
  return {
    lines: `${objectId}\n${tenantId}\n${starts}\n${expires}\n${service}\n${version}\n\n\n\n\n`,
    query:
      pair('skoid', objectId) +
      pair('sktid', tenantId) +
      pair('skt', starts) +
      pair('ske', expires) +
      pair('sks', service) +
      pair('skv', version),
  }
}

/**
 * A signer of blob SAS, by the key of an account or a user delegation key. What it gives equals
 * `generateBlobSASQueryParameters` of the SDK for this version to the byte. It keeps what it signed last: all parts of an
 * upload have the same right, to the same blob.
 */
export function createSasSigner(key: { readonly accountKey: string } | DelegationKey): SasSigner {
  const delegation = 'accountKey' in key ? undefined : key
  const secret: KeyObject = createSecretKey(Buffer.from('accountKey' in key ? key.accountKey : key.value, 'base64'))
  const delegated = delegation === undefined ? undefined : ofDelegation(delegation)
  let last = { signed: '', query: '' }

  return (request) => {
    const { accountName, container, blob, rights } = request
    const [starts, expires] = [sasTime(request.startsOn), sasTime(request.expiresOn)]
    const permissions = 'permissions' in rights ? rights.permissions : ''
    const { lines, query } = delegated ?? ofKey(request)
    // The last eight lines are the address and headers that could be bound, snapshot and encryption scope: none.
    const signed = `${permissions}\n${starts}\n${expires}\n/blob/${accountName}/${container}/${blob}\n${lines}\n${sasVersion}\nb\n\n\n\n\n\n\n`
    if (last.signed !== signed) {
      const signature = createHmac('sha256', secret).update(signed).digest('base64')
      const times = pair('st', starts) + pair('se', expires)
      last = { signed, query: `sv=${sasVersion}${times}${query}&sr=b${pair('sp', permissions)}${pair('sig', signature)}` }
    }
    return last.query
  }
}
