import { createPublicKey, type KeyObject } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { JSONWebKeySet, JWTVerifyGetKey } from 'jose'
import { ScoreError } from '../core/errors.ts'
import { redactUrl } from '../core/redact.ts'
import { createEndpoint, type EndpointOptions } from './endpoint.ts'

/** Where the public keys of the issuer are. */
export type KeyPlace =
  /** The issuer's own document, `<issuer>/.well-known/openid-configuration`, says where. */
  | { readonly issuerUrl: string }
  /** A JSON Web Key Set. */
  | { readonly jwksUrl: string }
  /** One key or certificate as PEM, such as Ego's `/oauth/token/public_key`. */
  | { readonly publicKeyUrl: string }
  | { readonly publicKeyFile: string }

export interface KeyReader {
  /** @throws `unavailable` when they cannot be had now, `invalid-configuration` when they never will. */
  read(): Promise<JWTVerifyGetKey>
  readonly warnings: readonly string[]
}

async function keySet(document: unknown, place: string): Promise<JWTVerifyGetKey> {
  const { createLocalJWKSet, errors } = await import('jose')
  try {
    return createLocalJWKSet(document as JSONWebKeySet)
  } catch (error) {
    if (!(error instanceof errors.JOSEError)) throw error
    throw new ScoreError('unavailable', `${redactUrl(place)} answered with something else than a set of keys; check the address`, {
      cause: error,
    })
  }
}

function publicKey(pem: string, place: string): KeyObject {
  const wayOut = 'give the issuer’s public key, which begins with -----BEGIN PUBLIC KEY-----'
  if (pem.includes('PRIVATE KEY'))
    throw new ScoreError('invalid-configuration', `${place} holds a private key, which verifying does not need; ${wayOut}`)
  try {
    return createPublicKey(pem)
  } catch (error) {
    throw new ScoreError('invalid-configuration', `${place} holds no public key in PEM; ${wayOut}`, { cause: error })
  }
}

async function oneKey(pem: string, place: string): Promise<JWTVerifyGetKey> {
  const jwk = publicKey(pem, place).export({ format: 'jwk' })
  const find = await keySet({ keys: [jwk] }, place)
  // PEM has no key id: whatever the token calls its key, it is this one or none.
  return ({ kid: _, ...header }) => find(header, undefined as never)
}

function discovered(issuer: string, options: EndpointOptions): KeyReader {
  const endpoint = createEndpoint(`${issuer.replace(/\/+$/, '')}/.well-known/openid-configuration`, options)
  return {
    warnings: endpoint.warnings,
    async read() {
      const document = (await endpoint.json()) as { issuer?: unknown; jwks_uri?: unknown } | null
      if (document?.issuer !== issuer || typeof document.jwks_uri !== 'string')
        throw new ScoreError(
          'unavailable',
          `${redactUrl(endpoint.url)} does not describe the issuer '${issuer}' and its keys; the address must be spelled as the issuer spells it`,
        )
      return keySet(await createEndpoint(document.jwks_uri, options).json(), document.jwks_uri)
    },
  }
}

function keyFile(path: string): KeyReader {
  const text = (): Promise<string> =>
    readFile(path, 'utf8').catch((cause: Error) => {
      throw new ScoreError('invalid-configuration', `the public key ${path} cannot be read: ${cause.message}`, { cause })
    })
  return { warnings: [], read: async () => oneKey(await text(), path) }
}

/** @throws `invalid-configuration` for an address that is none. */
export function createKeyReader(place: KeyPlace, options: EndpointOptions): KeyReader {
  if ('publicKeyFile' in place) return keyFile(place.publicKeyFile)
  if ('issuerUrl' in place) return discovered(place.issuerUrl, options)
  if ('publicKeyUrl' in place) {
    const endpoint = createEndpoint(place.publicKeyUrl, options)
    return { warnings: endpoint.warnings, read: async () => oneKey(await endpoint.text(), redactUrl(endpoint.url)) }
  }
  const endpoint = createEndpoint(place.jwksUrl, options)
  return { warnings: endpoint.warnings, read: async () => keySet(await endpoint.json(), endpoint.url) }
}
