import { s3StoreSuite } from './support/s3-store-suite.ts'
import { startVersitygw, versitygw } from './support/s3-stores.ts'

s3StoreSuite('versitygw', versitygw, startVersitygw)
