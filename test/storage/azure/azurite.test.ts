import * as assert from 'uvu/assert'
import { azureDeviations } from '../../../src/azure.ts'
import { createMemorySource } from '../../../src/bytes/memory-source.ts'
import { md5Hex } from '../../../src/core/checksum.ts'
import { isScoreError } from '../../../src/core/errors.ts'
import { storageBackendContract } from '../../../src/testing.ts'
import { createPartTransport } from '../../../src/transfer/transport/create-part-transport.ts'
import { type Azurite, azuriteAccount, sendToAzure, startAzurite } from '../../support/azurite.ts'
import { startForwardProxy } from '../../support/forward-proxy.ts'
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
  test('with a proxy every request of the driver goes through it, by the name that only the proxy knows', async () => {
    // The account in the host, as Azure has it: so Azurite reads any host that is a name.
    const host = `${azuriteAccount.accountName}.azure.test`
    const { port } = new URL(azurite.endpoint)
    const proxy = await startForwardProxy({ hosts: { [host]: Number(port) }, credentials: 'user:p%40ss' })
    try {
      const network = { proxies: { http: proxy.url } }
      const backend = azurite.backend({ endpoint: `http://${host}`, publicEndpoint: azurite.endpoint, network })
      const address = { bucket: 'data', key: 'through-a-proxy' }
      const multipart = await backend.createMultipart(address)
      const { url } = await backend.presign({ action: 'put-part', multipart, partNumber: 1, expiresInSeconds: 600 })
      assert.is((await sendToAzure(url, { method: 'PUT', body: 'hello' })).status, 201)
      await backend.completeMultipart(multipart, [{ number: 1, etag: md5Hex('hello') }], { ifAbsent: true })
      const pieces: Uint8Array[] = []
      for await (const piece of backend.get(address)) pieces.push(piece)
      assert.is(Buffer.concat(pieces).toString(), 'hello')
      const asked = `http://${host}/data/through-a-proxy`
      assert.equal(
        proxy.seen.map((line) => line.replace(/blockid=[^&]*/, 'blockid=…')),
        [
          `GET ${asked}?comp=blocklist&blocklisttype=uncommitted`,
          `PUT ${asked}?comp=block&blockid=…`,
          `GET ${asked}?comp=blocklist&blocklisttype=uncommitted`,
          `PUT ${asked}?comp=blocklist`,
          `GET ${asked}`,
        ],
      )
    } finally {
      await proxy.close()
    }
  })
  test('a part of other bytes than announced is told as damaged on the way, to be sent again', async () => {
    const backend = azurite.backend()
    const multipart = await backend.createMultipart({ bucket: 'data', key: 'damaged' })
    const { url } = await backend.presign({ action: 'put-part', multipart, partNumber: 1, expiresInSeconds: 600 })
    const headers = { 'content-md5': Buffer.from(md5Hex('hello'), 'hex').toString('base64') }
    const transport = createPartTransport({ workers: 0 })
    try {
      const from = { source: createMemorySource(Buffer.from('jello')) }
      const sent = transport.sendPart({ url, headers, from, range: { start: 0, end: 5 } })
      const error = await sent.catch((thrown: unknown) => thrown)
      assert.ok(isScoreError(error, 'checksum-mismatch'), String(error))
    } finally {
      await transport.close()
    }
  })
  test('the record of the store is current', () => book.settle())
})
