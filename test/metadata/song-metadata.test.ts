import { createSongMetadata } from '../../src/metadata/song-metadata.ts'
import { suite } from '../support/suite.ts'
import { catalogueContract } from './catalogue-contract.ts'
import { goodToken, startCatalogueServer } from './catalogue-server.ts'

suite('Song over HTTP, against the embedded catalogue', (test) => {
  catalogueContract(test, async () => {
    const server = await startCatalogueServer()
    const catalogue = createSongMetadata({ url: server.url, token: goodToken, retry: { attempts: 1 } })
    return { catalogue, stored: server.stored, close: server.close }
  })
})
