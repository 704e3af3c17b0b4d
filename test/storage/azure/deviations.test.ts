import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { azureDeviations } from '../../../src/azure.ts'
import { suite } from '../../support/suite.ts'

suite('storage/azure deviations', (test) => {
  test('docs/stores.md tells of the same', () => {
    const page = readFileSync(join(import.meta.dirname, '../../../docs/stores.md'), 'utf8')
    const told = [...page.matchAll(/^\| azurite \|.*$/gm)].map(([line]) => line)
    const listed = Object.entries(azureDeviations).flatMap(([store, deviations]) =>
      deviations.map(({ caseName, reason }) => `| ${store} | ${caseName} | ${reason} |`),
    )
    assert.equal(told, listed)
    assert.ok(listed.length > 0)
  })
})
