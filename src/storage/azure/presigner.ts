import { azureBeginning, formatAzureBlockId } from '../../core/azure-block-id.ts'
import { ScoreError } from '../../core/errors.ts'
import type { ObjectAddress, PresignedUrl, PresignRequest } from '../storage-backend.ts'
import type { AzureCalls } from './azure-calls.ts'
import { type AzureBackendOptions, azureEndpoint, requireAzureKey, requireAzureUrl } from './azure-options.ts'
import { clockSkewMs, createDelegationKeys } from './delegation-key.ts'
import { createSasSigner, type SasSigner } from './sas-query.ts'

/** More blocks no blob can have. */
export const maximumBlocks = 50_000

export interface AzurePresigner {
  presign(request: PresignRequest): Promise<PresignedUrl>
  presignObjectWrite(address: ObjectAddress, options: { readonly expiresInSeconds: number }): Promise<PresignedUrl>
}

function requireLife(seconds: number): void {
  if (Number.isInteger(seconds) && seconds >= 1) return
  throw new ScoreError('invalid-configuration', `a signed URL of an Azure store lives for a whole number of seconds from 1, not ${seconds}`)
}

function requirePart(partNumber: number): void {
  if (Number.isInteger(partNumber) && partNumber > azureBeginning && partNumber <= maximumBlocks) return
  throw new ScoreError('invalid-request', `part ${partNumber} is impossible: a blob of an Azure store has parts 1 to ${maximumBlocks}`)
}

/** A key as it stands in a path: what RFC 3986 leaves unreserved stays, and the slashes. */
function encodeKey(key: string): string {
  return encodeURIComponent(key)
    .replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%2F', '/')
}

interface Signing {
  readonly sign: SasSigner
  /** When what signs runs out; no URL lives longer. */
  readonly until?: Date
}

/** The key of the account, or the user delegation key of the day. */
function createSigning(calls: AzureCalls, options: AzureBackendOptions, now: () => number): (lifeMs: number) => Promise<Signing> {
  const { credential } = options
  if ('accountKey' in credential) {
    const signing = { sign: createSasSigner(credential) }
    return async () => signing
  }
  const keyFor = createDelegationKeys(calls, now)
  let last: { readonly value: string; readonly signing: Signing } | undefined
  return async (lifeMs) => {
    const key = await keyFor(lifeMs)
    if (last?.value !== key.value) last = { value: key.value, signing: { sign: createSasSigner(key), until: key.expiresOn } }
    return last.signing
  }
}

/** @throws at once `invalid-configuration` for a public address that is none. */
export function createAzurePresigner(calls: AzureCalls, options: AzureBackendOptions): AzurePresigner {
  const { accountName, policies, publicEndpoint, now = Date.now } = options
  const base = publicEndpoint === undefined ? azureEndpoint(options) : requireAzureUrl('publicEndpoint', publicEndpoint)
  const signingFor = createSigning(calls, options, now)

  const signed = async (
    { bucket, key }: ObjectAddress,
    use: { readonly permissions: string; readonly policy: string | undefined },
    expiresInSeconds: number,
  ): Promise<PresignedUrl> => {
    requireLife(expiresInSeconds)
    requireAzureKey(key)
    const { sign, until } = await signingFor(expiresInSeconds * 1000)
    const at = Math.floor(now() / 1000) * 1000
    const expiresAt = new Date(Math.min(at + expiresInSeconds * 1000, until?.getTime() ?? Number.POSITIVE_INFINITY))
    const query = sign({
      accountName,
      container: bucket,
      blob: key,
      rights: use.policy === undefined ? { permissions: use.permissions } : { policy: use.policy },
      startsOn: new Date(at - clockSkewMs),
      expiresOn: expiresAt,
    })
    return { url: `${base}/${bucket}/${encodeKey(key)}?${query}`, expiresAt }
  }
  const write = { permissions: 'cw', policy: policies?.upload }

  return {
    async presign(request) {
      if (request.action === 'get') {
        return signed(request.address, { permissions: 'r', policy: policies?.download }, request.expiresInSeconds)
      }
      const { multipart, partNumber, expiresInSeconds } = request
      requirePart(partNumber)
      const { url, expiresAt } = await signed(multipart, write, expiresInSeconds)
      const blockId = formatAzureBlockId({ uploadId: multipart.uploadId, partNumber, sentAt: 0 })
      return { url: `${url}&comp=block&blockid=${encodeURIComponent(blockId)}`, expiresAt, dialect: 'azure-block' }
    },
    presignObjectWrite: (address, { expiresInSeconds }) => signed(address, write, expiresInSeconds),
  }
}
