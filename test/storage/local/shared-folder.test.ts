import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { createLocalBackend } from '../../../src/storage/local/backend.ts'
import { suite } from '../../support/suite.ts'

suite('local store: objects of one folder, put and deleted at once', (test) => {
  const folder = mkdtempSync(join(tmpdir(), 'score-shared-folder-'))
  const backend = createLocalBackend({ folder, publicUrl: 'http://127.0.0.1', signingKey: randomBytes(32) })
  const addresses = Array.from({ length: 24 }, (_, index) => ({ bucket: 'bucket', key: `upload/x/part-${index}` }))
  const body = new Uint8Array(10)
  test.after(() => rmSync(folder, { recursive: true }))

  test('deletes that empty the folder under each other', async () => {
    for (let round = 0; round < 10; round++) {
      await Promise.all(addresses.map((address) => backend.put(address, body)))
      await Promise.all(addresses.map((address) => backend.delete(address)))
      for (const address of addresses) assert.is(await backend.head(address), undefined)
    }
  })

  test('puts into a folder that deletes take away', async () => {
    for (let round = 0; round < 10; round++) {
      const [gone, come] = round % 2 === 0 ? [addresses.slice(0, 12), addresses.slice(12)] : [addresses.slice(12), addresses.slice(0, 12)]
      await Promise.all(gone.map((address) => backend.put(address, body)))
      await Promise.all([...gone.map((address) => backend.delete(address)), ...come.map((address) => backend.put(address, body))])
      for (const address of come) assert.is((await backend.head(address))?.size, 10)
      await Promise.all(come.map((address) => backend.delete(address)))
    }
  })
})
