import { azureDeviations } from '../../../src/azure.ts'
import { storageBackendContract } from '../../../src/testing.ts'
import { type Azurite, sendToAzure, startAzurite } from '../../support/azurite.ts'
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
  for (const { name, run } of cases) test(name, run)
})
