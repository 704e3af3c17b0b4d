import { type S3Store, s3Deviations } from '../../../src/s3.ts'
import { type ScoreSubject, scoreApiContract, storageBackendContract } from '../../../src/testing.ts'
import { suite } from '../../support/suite.ts'
import { type FaultBench, openFaultBench } from './fault-bench.ts'
import { type S3TestStore, s3Stores } from './s3-stores.ts'
import { troubleCases } from './s3-trouble.ts'
import { openServiceOnStore } from './service-on-store.ts'
import { faultCases } from './store-faults.ts'
import { howToGet, isThere } from './store-program.ts'

/** Everything that an S3 store must do for a score: the port's contract, S3's own troubles, the service's contract. */
export function s3StoreSuite(name: S3Store): void {
  const { program, start } = s3Stores[name]
  suite(`services/${name}`, (test) => {
    const built = isThere(program)
    let store: S3TestStore | undefined
    let faults: Promise<FaultBench> | undefined
    let service: (ScoreSubject & { close(): Promise<void> }) | undefined
    const running = (): S3TestStore => {
      if (store === undefined) throw new Error('the store does not run')
      return store
    }
    test.before(async () => {
      if (built) store = await start()
    })
    test.after(async () => {
      await (await faults)?.close()
      await service?.close()
      await store?.stop()
    })
    const add = (testName: string, run: () => Promise<void>): void => {
      if (built) test(testName, run)
      else test.skip(testName, howToGet(program))
    }

    const port = storageBackendContract(
      name,
      async () => {
        const { backend, bucket } = running()
        // S3's own bound: every part but the last has 5 MiB at least.
        return { backend, bucket, partBytes: 5 * 1024 ** 2 }
      },
      { deviations: s3Deviations[name] },
    )
    for (const { name: caseName, run } of port) add(caseName, run)

    for (const { name: caseName, check } of troubleCases) add(`${name}, trouble: ${caseName}`, () => check(running()))

    for (const { name: caseName, check } of faultCases)
      add(`${name}, faults: ${caseName}`, async () => {
        faults ??= openFaultBench(running())
        await check(await faults)
      })

    const api = scoreApiContract(`the service on ${name}`, async () => {
      if (service === undefined) {
        const { backend, createBucket } = running()
        for (const bucket of ['score.data', 'score.state']) await createBucket(bucket)
        service = await openServiceOnStore({ backend, objectBucket: 'score.data', stateBucket: 'score.state' })
      }
      const { close: _later, ...shared } = service
      return shared
    })
    for (const { name: caseName, run } of api) add(caseName, run)
  })
}
