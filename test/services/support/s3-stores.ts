import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { createS3Backend, type S3BackendOptions } from '../../../src/s3.ts'
import type { StorageBackend } from '../../../src/storage/storage-backend.ts'
import { programPath, type StoreProcess, type StoreProgram, startStore } from './store-process.ts'

process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true'

export const minio: StoreProgram = { name: 'minio', module: 'github.com/minio/minio@latest' }
export const versitygw: StoreProgram = { name: 'versitygw', module: 'github.com/versity/versitygw/cmd/versitygw@latest' }

export const credentials = { accessKeyId: 'scoreaccess', secretAccessKey: 'scoresecret' }

/** A store that runs, its bucket, and the driver on it. */
export interface S3TestStore extends StoreProcess {
  readonly bucket: string
  readonly options: S3BackendOptions
  readonly backend: StorageBackend
  /** For what the driver has no call for. */
  readonly client: S3Client
  createBucket(name: string): Promise<void>
}

async function furnish(store: StoreProcess): Promise<S3TestStore> {
  const options: S3BackendOptions = { endpoint: store.endpoint, credentials }
  const client = new S3Client({ ...options, region: 'us-east-1', forcePathStyle: true, endpoint: store.endpoint, credentials })
  const createBucket = async (name: string): Promise<void> => {
    await client.send(new CreateBucketCommand({ Bucket: name }))
  }
  await createBucket('oicr.icgc')
  return { ...store, bucket: 'oicr.icgc', options, backend: createS3Backend(options), client, createBucket }
}

function requirePath(program: StoreProgram): string {
  const path = programPath(program)
  if (path === undefined) throw new Error(`${program.name} is not built`)
  return path
}

export async function startMinio(): Promise<S3TestStore> {
  const store = await startStore(requirePath(minio), ({ address, folder, other }) => ({
    args: ['server', '--quiet', '--address', address, '--console-address', other, folder],
    env: { MINIO_ROOT_USER: credentials.accessKeyId, MINIO_ROOT_PASSWORD: credentials.secretAccessKey, MINIO_BROWSER: 'off' },
  }))
  return furnish(store)
}

export async function startVersitygw(): Promise<S3TestStore> {
  const store = await startStore(requirePath(versitygw), ({ address, folder }) => ({
    args: ['--port', address, 'posix', folder],
    env: { ROOT_ACCESS_KEY: credentials.accessKeyId, ROOT_SECRET_KEY: credentials.secretAccessKey },
  }))
  return furnish(store)
}
