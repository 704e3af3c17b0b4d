import { createHash, createHmac } from 'node:crypto'

export interface SigningCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
}

/** What a signature is good for: a moment, a region. */
export interface SigningScope {
  /** `20261124T123456Z` */
  readonly time: string
  /** `20261124/eu-west-1/s3/aws4_request` */
  readonly scope: string
  readonly day: string
  readonly region: string
}

export function signingScope(date: Date, region: string): SigningScope {
  const time = `${date.toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`
  const day = time.slice(0, 8)
  return { time, day, region, scope: `${day}/${region}/s3/aws4_request` }
}

function hmac(key: Buffer | string, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

/**
 * Signs canonical requests by SigV4. Keeps the key that was derived last: that depends on secret, day and region only.
 *
 * Source: AWS, "Signature Version 4 signing process".
 */
export function createRequestSigner(): (canonical: string, secret: string, at: SigningScope) => string {
  let derived: { readonly id: string; readonly key: Buffer } | undefined
  return (canonical, secret, { time, scope, day, region }) => {
    const id = `${secret}\n${day}\n${region}`
    if (derived?.id !== id) derived = { id, key: ['s3', 'aws4_request'].reduce(hmac, hmac(hmac(`AWS4${secret}`, day), region)) }
    const digest = createHash('sha256').update(canonical).digest('hex')
    return createHmac('sha256', derived.key).update(`AWS4-HMAC-SHA256\n${time}\n${scope}\n${digest}`).digest('hex')
  }
}
