import { s3StoreSuite } from './support/s3-store-suite.ts'
import { minio, startMinio } from './support/s3-stores.ts'

s3StoreSuite('minio', minio, startMinio)
