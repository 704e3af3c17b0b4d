import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { createS3Backend, type S3BackendOptions, type S3Credentials, type S3Store } from '../../../src/s3.ts'
import type { StorageBackend } from '../../../src/storage/storage-backend.ts'
import { freePort } from '../../support/free-port.ts'
import { type CephOptions, ceph, startCephProcesses } from './ceph.ts'
import { answers, openProcessHouse, type ProcessHouse } from './process-house.ts'
import { requirePath, type StoreProgram } from './store-program.ts'
import { startSwiftProcesses, swift, swiftCredentials } from './swift.ts'

process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true'

const minio: StoreProgram = { name: 'minio', module: 'github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c' }
const versitygw: StoreProgram = { name: 'versitygw', module: 'github.com/versity/versitygw/cmd/versitygw@v1.8.0' }

const credentials = { accessKeyId: 'scoreaccess', secretAccessKey: 'scoresecret' }

type StoreProcess = ProcessHouse & { readonly endpoint: string }

/** A store that runs, its bucket, and the driver on it. */
export interface S3TestStore extends StoreProcess {
  readonly bucket: string
  readonly credentials: S3Credentials
  readonly options: S3BackendOptions
  readonly backend: StorageBackend
  /** For what the driver has no call for. */
  readonly client: S3Client
  createBucket(name: string): Promise<void>
}

async function furnish(store: StoreProcess, keys: S3Credentials): Promise<S3TestStore> {
  const options: S3BackendOptions = { endpoint: store.endpoint, credentials: keys }
  const client = new S3Client({ region: 'us-east-1', forcePathStyle: true, endpoint: store.endpoint, credentials: keys })
  const createBucket = async (name: string): Promise<void> => {
    await client.send(new CreateBucketCommand({ Bucket: name }))
  }
  try {
    await createBucket('oicr.icgc')
  } catch (error) {
    await store.stop()
    throw error
  }
  return { ...store, bucket: 'oicr.icgc', credentials: keys, options, backend: createS3Backend(options), client, createBucket }
}

/** One program that listens on one address. */
async function startAlone(
  program: StoreProgram,
  setup: (places: { readonly address: string; readonly folder: string; readonly other: string }) => readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<StoreProcess> {
  const house = await openProcessHouse(() => env)
  const address = `127.0.0.1:${await freePort()}`
  const endpoint = `http://${address}`
  try {
    const args = setup({ address, folder: house.folder, other: `127.0.0.1:${await freePort()}` })
    house.start(program.name, requirePath(program), args)
    await house.until(`${program.name} answers`, () => answers(endpoint))
  } catch (error) {
    await house.stop()
    throw error
  }
  return { ...house, endpoint }
}

async function startMinio(): Promise<S3TestStore> {
  const store = await startAlone(
    minio,
    ({ address, folder, other }) => ['server', '--quiet', '--address', address, '--console-address', other, `${folder}/data`],
    {
      MINIO_ROOT_USER: credentials.accessKeyId,
      MINIO_ROOT_PASSWORD: credentials.secretAccessKey,
      MINIO_BROWSER: 'off',
      MINIO_DOMAIN: 'localhost',
    },
  )
  return furnish(store, credentials)
}

async function startVersitygw(): Promise<S3TestStore> {
  const store = await startAlone(
    versitygw,
    ({ address, folder }) => ['--port', address, '--virtual-domain', 'localhost', 'posix', folder],
    {
      ROOT_ACCESS_KEY: credentials.accessKeyId,
      ROOT_SECRET_KEY: credentials.secretAccessKey,
    },
  )
  return furnish(store, credentials)
}

/** Ceph alone takes options: the others have no setting for what they ask of parts. */
export async function startCeph(options: CephOptions = {}): Promise<S3TestStore> {
  return furnish(await startCephProcesses(credentials, options), credentials)
}

export interface S3StoreEntry {
  readonly program: StoreProgram
  start(): Promise<S3TestStore>
}

/** The stores that the driver is tried with, each with what it needs and how it starts. */
export const s3Stores: Readonly<Record<S3Store, S3StoreEntry>> = {
  minio: { program: minio, start: startMinio },
  versitygw: { program: versitygw, start: startVersitygw },
  ceph: { program: ceph, start: startCeph },
  swift: { program: swift, start: async () => furnish(await startSwiftProcesses(), swiftCredentials) },
}
