import { ScoreError } from '../../core/errors.ts'
import type { Network } from '../../http/network.ts'

/** Gives tokens of Entra ID: any credential of `@azure/identity`, or one of your own. */
export interface AzureTokenCredential {
  getToken(scopes: string | string[]): Promise<{ readonly token: string; readonly expiresOnTimestamp: number } | null>
}

export interface AzureBackendOptions {
  /** Name of the storage account. */
  readonly accountName: string
  /**
   * Key of the account, base64, or who gives tokens of Entra ID. With tokens URLs are signed with a user delegation key,
   * for which the identity needs the role Storage Blob Delegator besides that of a Storage Blob Data Contributor.
   */
  readonly credential: { readonly accountKey: string } | AzureTokenCredential
  /** Address of the blob service, with the account in its path where it is not in its host (Azurite). Default: `https://<account>.blob.<suffix>`. */
  readonly endpoint?: string
  /** Of the cloud; default `core.windows.net`. Others: `core.chinacloudapi.cn`, `core.usgovcloudapi.net`. */
  readonly endpointSuffix?: string
  /**
   * Stored access policies of the container that URLs refer to, so that changing one revokes them; they must set no times.
   * Only with an account key. Default: URLs name their rights themselves.
   */
  readonly policies?: { readonly upload: string; readonly download: string }
  /** Address that clients reach the blob service by, of the form of `endpoint`. Default: `endpoint`. */
  readonly publicEndpoint?: string
  /** Authorities to trust besides, and proxies on the way. Default: none, whatever the environment says. */
  readonly network?: Network
  /** Longest silence within a request; default 120 s: joining many parts takes a store its time. */
  readonly idleTimeoutMs?: number
  /** Keys in one page of a listing; default 5000, the most there can be. */
  readonly pageSize?: number
  /** Time of signatures in URLs, in ms since 1970. */
  readonly now?: () => number
  /** Names new uploads: a UUID, never the same. */
  readonly newUploadId?: () => string
}

/** @throws `invalid-configuration` */
export function requireAzureUrl(name: string, text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '' || url.username !== '')
    throw new ScoreError(
      'invalid-configuration',
      `${name} of the Azure store must be an address such as https://account.blob.core.windows.net, with http or https and without user, query and fragment`,
    )
  return text.replace(/\/+$/, '')
}

/**
 * Refuses names that Azure or a URL would take for others, or not at all.
 *
 * @throws `invalid-request`
 */
export function requireAzureKey(key: string): string {
  const segments = key.split('/')
  const rule =
    key === '' || key.length > 1024
      ? 'have 1 to 1024 characters'
      : segments.length > 254
        ? 'have 254 segments at most'
        : key.includes('\\') || segments.some((segment) => segment === '.' || segment === '..')
          ? 'have no backslash and no segment . or ..'
          : undefined
  if (rule === undefined) return key
  throw new ScoreError('invalid-request', `'${key.slice(0, 100)}' cannot be the name of a blob of an Azure store: names ${rule}`)
}

/** @throws `invalid-configuration` */
export function azureEndpoint({ accountName, endpoint, endpointSuffix = 'core.windows.net' }: AzureBackendOptions): string {
  if (!/^[a-z0-9]{3,24}$/.test(accountName))
    throw new ScoreError(
      'invalid-configuration',
      `'${accountName}' is no name of an Azure storage account: 3 to 24 lower-case letters and digits`,
    )
  return requireAzureUrl('endpoint', endpoint ?? `https://${accountName}.blob.${endpointSuffix}`)
}

/** @throws `invalid-configuration` */
export function requireAzureCredential({ credential, policies }: AzureBackendOptions): void {
  if ('accountKey' in credential) {
    if (/^[A-Za-z0-9+/]+={0,2}$/.test(credential.accountKey) && credential.accountKey.length % 4 === 0) return
    throw new ScoreError(
      'invalid-configuration',
      'the key of the Azure account is not base64: copy it whole, from "Access keys" of the account',
    )
  }
  if (policies !== undefined)
    throw new ScoreError(
      'invalid-configuration',
      'stored access policies hold for URLs that are signed with the key of the Azure account: give the key, or leave the policies out',
    )
}
