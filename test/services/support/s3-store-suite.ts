import { type S3Store, s3Deviations } from '../../../src/s3.ts'
import { type ScoreSubject, scoreApiContract, storageBackendContract } from '../../../src/testing.ts'
import { createResultBook, type ResultGroup } from '../../support/store-results.ts'
import { suite } from '../../support/suite.ts'
import { type FaultBench, openFaultBench } from './fault-bench.ts'
import { type S3TestStore, s3Stores } from './s3-stores.ts'
import { troubleCases } from './s3-trouble.ts'
import { checkExample } from './serve-example.ts'
import { openServiceOnStore } from './service-on-store.ts'
import { storeFacts } from './store-facts.ts'
import { faultCases } from './store-faults.ts'
import { howToGet, isThere } from './store-program.ts'

/** Everything that an S3 store must do for a score: the port's contract, S3's own troubles, the service's contract. */
export function s3StoreSuite(name: S3Store): void {
  const { program, start } = s3Stores[name]
  const deviations = s3Deviations[name]
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
    const book = createResultBook(name)
    const add = (testName: string, run: () => Promise<void>): void => {
      if (built) test(testName, run)
      else test.skip(testName, howToGet(program))
    }
    /** A case whose result the page of the stores tells. */
    const addNoted = (group: ResultGroup, caseName: string, run: () => Promise<void>): void =>
      add(`${name}, ${group}: ${caseName}`, async () => {
        await run()
        const deviation = deviations.find((one) => group === 'contract' && one.caseName === caseName)
        book.note(group, caseName, deviation === undefined ? 'yes' : deviation.byChance ? 'by chance' : 'no')
      })

    const port = storageBackendContract(
      name,
      async () => {
        const { backend, bucket } = running()
        // S3's own bound: every part but the last has 5 MiB at least.
        return { backend, bucket, partBytes: 5 * 1024 ** 2 }
      },
      { deviations },
    )
    for (const one of port) addNoted('contract', one.name.slice(`${name}: `.length), one.run)

    for (const { name: caseName, check } of troubleCases) addNoted('trouble', caseName, () => check(running()))

    for (const { name: caseName, check } of faultCases)
      addNoted('faults', caseName, async () => {
        faults ??= openFaultBench(running())
        await check(await faults)
      })

    const api = scoreApiContract(name, async () => {
      if (service === undefined) {
        const { backend, createBucket } = running()
        for (const bucket of ['score.data', 'score.state']) await createBucket(bucket)
        service = await openServiceOnStore({ backend, objectBucket: 'score.data', stateBucket: 'score.state' })
      }
      const { close: _later, ...shared } = service
      return shared
    })
    for (const one of api) addNoted('service', one.name.slice(`${name}: `.length), one.run)

    for (const { name: factName, ask } of storeFacts)
      add(`${name}, facts: ${factName}`, async () => book.note('facts', factName, await ask(running())))

    // AWS itself cannot be had here: its settings are tried on MinIO.
    for (const example of name === 'minio' ? ['minio', 'aws'] : [name])
      add(`${name}: the example '${example}' of docs/stores.md serves`, () => checkExample(example, running()))

    add(`${name}: the record of the store is current`, async () => book.settle())
  })
}
