import { createMemoryBackend } from '../../../src/storage/memory/backend.ts'
import { storageBackendContract } from '../../../src/testing.ts'
import { suite } from '../../support/suite.ts'

suite('storage/memory contract', (test) => {
  const cases = storageBackendContract('memory', async () => {
    let ahead = 0
    const backend = createMemoryBackend({ now: () => Date.now() + ahead })
    return {
      backend,
      bucket: 'oicr.icgc',
      send: backend.send,
      advance: (ms) => {
        ahead += ms
      },
    }
  })
  for (const { name, run } of cases) test(name, run)
})
