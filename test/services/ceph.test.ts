import { s3StoreSuite } from './support/s3-store-suite.ts'

s3StoreSuite('ceph')
