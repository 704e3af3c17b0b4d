import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { openOwnStore } from '../../examples/own-storage-backend.ts'
import { storageBackendContract } from '../../src/testing.ts'
import { suite } from '../support/suite.ts'

suite('examples: own-storage-backend.ts', (test) => {
  let opened: ReturnType<typeof openOwnStore> | undefined
  test.after(async () => (await opened)?.close())

  const cases = storageBackendContract('own', async () => {
    opened ??= openOwnStore()
    return { backend: (await opened).backend, bucket: 'oicr.icgc' }
  })
  for (const { name, run } of cases) test(name, run)

  test('is a whole driver in under 150 lines of code', () => {
    const text = readFileSync(join(import.meta.dirname, '../../examples/own-storage-backend.ts'), 'utf8')
    const code = text.split('\n').filter((line) => line.trim() !== '' && !/^\s*(\/\*\*|\*)/.test(line))
    assert.ok(code.length < 150, `${code.length} lines`)
  })
})
