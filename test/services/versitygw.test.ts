import { s3Deviations } from '../../src/s3.ts'
import { storageBackendContract } from '../../src/testing.ts'
import { suite } from '../support/suite.ts'
import { type S3TestStore, startVersitygw, versitygw } from './support/s3-stores.ts'
import { howToGet, programPath } from './support/store-process.ts'

suite('services/versitygw', (test) => {
  let store: S3TestStore | undefined
  test.before(async () => {
    if (programPath(versitygw) !== undefined) store = await startVersitygw()
  })
  test.after(async () => {
    await store?.stop()
  })
  const cases = storageBackendContract(
    'versitygw',
    async () => {
      if (store === undefined) throw new Error('the store does not run')
      // S3's own bound: every part but the last has 5 MiB at least.
      return { backend: store.backend, bucket: store.bucket, partBytes: 5 * 1024 ** 2 }
    },
    { deviations: s3Deviations.versitygw },
  )
  for (const { name, run } of cases) {
    if (programPath(versitygw) === undefined) test.skip(name, howToGet(versitygw))
    else test(name, run)
  }
})
