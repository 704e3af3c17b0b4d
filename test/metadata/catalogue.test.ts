import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { StoredObjectState } from '../../src/metadata/catalogue/catalogue.ts'
import { openCatalogue } from '../../src/metadata/catalogue/open-catalogue.ts'
import { suite } from '../support/suite.ts'
import { catalogueContract } from './catalogue-contract.ts'

suite('embedded catalogue', (test) => {
  catalogueContract(test, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'catalogue-'))
    const stored = new Map<string, StoredObjectState>()
    const catalogue = await openCatalogue({ folder, objectState: { describe: async (id) => stored.get(id) ?? { exists: false } } })
    return {
      catalogue,
      stored,
      async close() {
        await catalogue.close()
        await rm(folder, { recursive: true })
      },
    }
  })
})
