import { azureDeviations } from '../../../src/azure.ts'
import { storageBackendContract } from '../../../src/testing.ts'
import { type Azurite, sendToAzure, startAzurite } from '../../support/azurite.ts'
import { createResultBook } from '../../support/store-results.ts'
import { suite } from '../../support/suite.ts'

suite('storage/azure on Azurite', (test) => {
  let azurite: Azurite
  test.before(async () => {
    azurite = await startAzurite()
  })
  test.after(() => azurite.stop())

  const cases = storageBackendContract(
    'azurite',
    // A small page, so that listings go past it with few objects.
    async () => ({
      backend: azurite.backend({ pageSize: 20 }),
      bucket: 'data',
      send: sendToAzure,
      manyObjects: 50,
      putHeaders: { 'x-ms-blob-type': 'BlockBlob' },
    }),
    { deviations: azureDeviations.azurite },
  )
  const book = createResultBook('azurite')
  for (const { name, run } of cases)
    test(name, async () => {
      await run()
      const caseName = name.slice('azurite: '.length)
      const deviates = azureDeviations.azurite.some((one) => one.caseName === caseName)
      book.note('contract', caseName, deviates ? 'no' : 'yes')
    })
  test('the record of the store is current', () => book.settle())
})
