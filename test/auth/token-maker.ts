import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { type JWTPayload, SignJWT } from 'jose'

/** A pair of keys, in the forms in which an issuer shows the public one. */
export interface SigningKey {
  readonly kid: string
  readonly privateKey: KeyObject
  readonly pem: string
  readonly jwk: Readonly<Record<string, unknown>>
}

export function makeKey(kid: string, alg: 'RS256' | 'ES256' = 'RS256'): SigningKey {
  const pair = alg === 'RS256' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { publicKey, privateKey } = pair
  return {
    kid,
    privateKey,
    pem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    jwk: { ...publicKey.export({ format: 'jwk' }), kid, use: 'sig', alg },
  }
}

/** 2026-01-01, where the clocks of these tests stand. */
export const testTime = Date.UTC(2026, 0, 1)
export const seconds = testTime / 1000

export const goodClaims: JWTPayload = {
  sub: 'ada',
  iss: 'https://issuer.test',
  aud: 'score',
  exp: seconds + 300,
  context: { scope: ['score.READ'] },
}

export interface TokenChanges {
  readonly claims?: JWTPayload
  /** Names of claims to leave out. */
  readonly without?: readonly string[]
  readonly header?: Readonly<Record<string, unknown>>
}

export function makeToken(key: SigningKey, { claims = {}, without = [], header = {} }: TokenChanges = {}): Promise<string> {
  const payload = Object.fromEntries(Object.entries({ ...goodClaims, ...claims }).filter(([name]) => !without.includes(name)))
  return new SignJWT(payload).setProtectedHeader({ alg: 'RS256', kid: key.kid, ...header }).sign(key.privateKey)
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** Not signed at all. */
export function unsignedToken(): string {
  return `${encode({ alg: 'none', typ: 'JWT' })}.${encode(goodClaims)}.`
}

/** Signed with the public key as if it were a shared secret. */
export function confusedToken(key: SigningKey): string {
  const text = `${encode({ alg: 'HS256', kid: key.kid })}.${encode(goodClaims)}`
  return `${text}.${createHmac('sha256', key.pem).update(text).digest('base64url')}`
}

/** Says that a header which nobody knows must be understood. */
export function criticalToken(key: SigningKey): string {
  const text = `${encode({ alg: 'RS256', kid: key.kid, crit: ['odd'], odd: true })}.${encode(goodClaims)}`
  return `${text}.${sign('sha256', Buffer.from(text), key.privateKey).toString('base64url')}`
}
