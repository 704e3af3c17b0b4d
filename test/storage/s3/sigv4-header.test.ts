import { S3Client } from '@aws-sdk/client-s3'
import * as assert from 'uvu/assert'
import { type BareRequest, createHeaderSigner } from '../../../src/storage/s3/sigv4-header.ts'
import { encodeKey } from '../../../src/storage/s3/sigv4-query.ts'
import { suite } from '../../support/suite.ts'

process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true'

const keys = ['data/x.meta', 'data/ +%&=?#:;,@$', '//a//b/../c', "ä日本😀!'()*~", 'part-0000000a|{"md5":"x"}']
const hosts = ['127.0.0.1:9000', 's3.example.org', 'bucket.s3.example.org:8443']
const requests: readonly BareRequest[] = ['us-east-1', 'eu-west-1'].flatMap((region) =>
  hosts.flatMap((host) =>
    keys.flatMap((key) => (['GET', 'HEAD'] as const).map((method) => ({ method, host, path: `/oicr.icgc/${encodeKey(key)}`, region }))),
  ),
)

async function signedBySdk(
  credentials: ConstructorParameters<typeof S3Client>[0],
  request: BareRequest,
  headers: object,
  signingDate: Date,
) {
  const { method, host, path, region } = request
  const client = new S3Client({ ...credentials, region })
  const signer = await client.config.signer({ name: 'sigv4', signingName: 's3', signingRegion: region, properties: {} })
  const [hostname = '', port] = host.split(':')
  const place = { protocol: 'https:', hostname, ...(port === undefined ? {} : { port: Number(port) }) }
  const signed = await signer.sign({ method, ...place, path, query: {}, headers: { ...headers } }, { signingDate })
  return signed.headers['authorization']
}

suite('storage/s3 sigv4-header', (test) => {
  for (const sessionToken of [undefined, 'session/+=']) {
    test(`signatures are those of the SDK’s signer, ${sessionToken === undefined ? 'lasting' : 'temporary'} keys`, async () => {
      const sign = createHeaderSigner()
      const credentials = { accessKeyId: 'AKIA/+=', secretAccessKey: 'secret/+=', ...(sessionToken && { sessionToken }) }
      const signedAt = new Date(Date.UTC(2026, 10, 24, 12, 34, 56))
      for (const request of requests) {
        const { authorization, ...headers } = sign(credentials, request, signedAt)
        assert.is(authorization, await signedBySdk({ credentials }, request, headers, signedAt), JSON.stringify(request))
      }
    })
  }
})
