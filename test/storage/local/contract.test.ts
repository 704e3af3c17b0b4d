import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLocalBackend } from '../../../src/storage/local/backend.ts'
import { createLocalDataPlane, type LocalDataPlane } from '../../../src/storage/local/data-plane.ts'
import { storageBackendContract } from '../../../src/testing.ts'
import { suite } from '../../support/suite.ts'
import { serveStore } from './store-server.ts'

const deviations = [
  {
    caseName: 'one key may be a folder of another',
    reason: 'keys are paths here, so that people can look into a store; a file cannot be a folder (docs/decisions/0004)',
  },
]

suite('storage/local contract', (test) => {
  const cases = storageBackendContract(
    'local',
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'score-store-'))
      let ahead = 0
      const now = (): number => Date.now() + ahead
      let plane: LocalDataPlane
      const server = await serveStore('/some/prefix', () => plane)
      const backend = createLocalBackend({ folder, publicUrl: server.url, signingKey: randomBytes(32), durable: false, now })
      plane = createLocalDataPlane({ backend, now })
      return {
        backend,
        bucket: 'oicr.icgc',
        advance: (ms) => {
          ahead += ms
        },
        async close() {
          await server.close()
          await rm(folder, { recursive: true })
        },
      }
    },
    { deviations },
  )
  for (const { name, run } of cases) test(name, run)
})
