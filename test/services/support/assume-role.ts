import { createHash, createHmac } from 'node:crypto'
import type { S3Credentials } from '../../../src/s3.ts'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const hmac = (key: Buffer | string, text: string): Buffer => createHmac('sha256', key).update(text).digest()

function field(xml: string, name: string): string {
  const found = new RegExp(`<${name}>([^<]+)</${name}>`).exec(xml)?.[1]
  if (found === undefined) throw new Error(`the answer of AssumeRole has no ${name}: ${xml}`)
  return found
}

/** Temporary credentials of MinIO (its STS), with the rights of the policy only. */
export async function assumeRole(
  endpoint: string,
  { accessKeyId, secretAccessKey }: S3Credentials,
  policy: { readonly Statement: readonly object[] },
): Promise<S3Credentials & { readonly expiration: Date; readonly sessionToken: string }> {
  const body = String(
    new URLSearchParams({
      Action: 'AssumeRole',
      Version: '2011-06-15',
      DurationSeconds: '900',
      Policy: JSON.stringify({ Version: '2012-10-17', ...policy }),
    }),
  )
  const time = `${new Date().toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`
  const scope = `${time.slice(0, 8)}/us-east-1/sts/aws4_request`
  const headers = { host: new URL(endpoint).host, 'x-amz-content-sha256': sha256(body), 'x-amz-date': time }
  const signed = Object.keys(headers).join(';')
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`)
  const canonical = `POST\n/\n\n${lines.join('')}\n${signed}\n${sha256(body)}`
  const key = ['us-east-1', 'sts', 'aws4_request'].reduce(hmac, hmac(`AWS4${secretAccessKey}`, time.slice(0, 8)))
  const signature = hmac(key, `AWS4-HMAC-SHA256\n${time}\n${scope}\n${sha256(canonical)}`).toString('hex')
  const authorization = `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${signed}, Signature=${signature}`
  const answer = await fetch(endpoint, {
    method: 'POST',
    body,
    headers: { ...headers, authorization, 'content-type': 'application/x-www-form-urlencoded' },
  })
  const xml = await answer.text()
  return {
    accessKeyId: field(xml, 'AccessKeyId'),
    secretAccessKey: field(xml, 'SecretAccessKey'),
    sessionToken: field(xml, 'SessionToken'),
    expiration: new Date(field(xml, 'Expiration')),
  }
}
