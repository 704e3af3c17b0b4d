import { freePort } from '../../support/free-port.ts'
import { type JavaServer, startJavaServer } from './java-server.ts'

export interface OriginalServerSettings {
  /** S3 endpoint, such as `http://127.0.0.1:9000`; its bucket must hold an empty `data/heliograph`. */
  readonly endpoint: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly objectBucket: string
  readonly stateBucket: string
  /** Whatever speaks Song's `/entities` and `/studies/{study}/analysis/{id}`. */
  readonly metadataUrl: string
  /** Answers a public key as PEM. */
  readonly publicKeyUrl: string
  /** Answers for API keys, as Ego. */
  readonly apiKeyUrl: string
  /** Bytes; default 20 MiB, the least that the original takes. */
  readonly partSizeBytes?: number
  /** Further settings, such as `--bucket.size.pool=4`; they win. */
  readonly args?: readonly string[]
}

/** The original's Score server on a free port; takes 6 to 12 s. */
export async function startOriginalServer(settings: OriginalServerSettings): Promise<JavaServer> {
  const port = await freePort()
  return startJavaServer({
    jar: 'score-server.jar',
    port,
    readyPath: '/actuator/health',
    args: [
      '--spring.profiles.active=prod,secure,s3',
      `--server.port=${port}`,
      '--server.address=127.0.0.1',
      '--s3.secured=false',
      `--s3.endpoint=${settings.endpoint}`,
      `--s3.accessKey=${settings.accessKeyId}`,
      `--s3.secretKey=${settings.secretAccessKey}`,
      '--s3.sigV4Enabled=true',
      `--bucket.name.object=${settings.objectBucket}`,
      `--bucket.name.state=${settings.stateBucket}`,
      `--upload.partsize=${settings.partSizeBytes ?? 20 * 1024 ** 2}`,
      `--metadata.url=${settings.metadataUrl}`,
      `--spring.security.oauth2.resourceserver.jwt.public-key-location=${settings.publicKeyUrl}`,
      `--auth.server.url=${settings.apiKeyUrl}`,
      '--auth.server.provider=ego',
      ...(settings.args ?? []),
    ],
  })
}
