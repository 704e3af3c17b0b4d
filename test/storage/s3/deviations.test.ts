import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { s3Deviations } from '../../../src/s3.ts'
import { suite } from '../../support/suite.ts'

suite('storage/s3 deviations', (test) => {
  test('docs/stores.md tells of the same', () => {
    const page = readFileSync(join(import.meta.dirname, '../../../docs/stores.md'), 'utf8')
    const told = [...page.matchAll(/^\| (minio|versitygw|ceph|swift) \|.*$/gm)].map(([line]) => line)
    const listed = Object.entries(s3Deviations).flatMap(([store, deviations]) =>
      deviations.map(({ caseName, reason }) => `| ${store} | ${caseName} | ${reason} |`),
    )
    assert.equal(told, listed)
    assert.ok(listed.length > 0)
  })
})
