import type { S3Session } from './s3-session.ts'

/** Where a bucket is asked for. */
export interface BucketPlace {
  /** Scheme and host. */
  readonly origin: string
  /** The `Host` header: with the port unless it is the scheme's own. */
  readonly host: string
  /** Before the slash and the key; empty where the host is the bucket's own. */
  readonly path: string
  /** Whether requests are signed by SigV4 for S3 and the session's region, as everywhere but at AWS's special buckets. */
  readonly plainlySigned: boolean
}

export interface StorePlaces {
  readonly region: string
  /** The endpoint that was configured, as the SDK has it. */
  readonly endpoint: string | undefined
  /** @param endpoint - in place of AWS's own */
  of(bucket: string, endpoint: string | undefined): BucketPlace
}

interface AuthScheme {
  readonly name?: unknown
  readonly signingName?: unknown
  readonly signingRegion?: unknown
}

/** The SDK's own rules say where a bucket lives, so that URLs and requests of the driver lead where the SDK's own lead. */
export async function readStorePlaces({ client: { config } }: S3Session): Promise<StorePlaces> {
  const region = await config.region()
  const shared = {
    Region: region,
    ForcePathStyle: config.forcePathStyle ?? false,
    UseFIPS: Boolean(await config.useFipsEndpoint()),
    UseDualStack: Boolean(await config.useDualstackEndpoint()),
  }
  const own = config.endpoint === undefined ? undefined : await config.endpoint()
  return {
    region,
    endpoint: own && `${own.protocol}//${own.hostname}${own.port === undefined ? '' : `:${own.port}`}${own.path}`,
    of(bucket, endpoint) {
      const found = config.endpointProvider({ ...shared, Bucket: bucket, ...(endpoint === undefined ? {} : { Endpoint: endpoint }) })
      const { origin, host, pathname } = found.url
      const [scheme] = (found.properties?.['authSchemes'] ?? []) as readonly AuthScheme[]
      const plainlySigned =
        scheme === undefined || (scheme.name === 'sigv4' && scheme.signingName === 's3' && scheme.signingRegion === region)
      return { origin, host, path: pathname.replace(/\/+$/, ''), plainlySigned }
    },
  }
}
