import { spawnSync } from 'node:child_process'
import * as assert from 'uvu/assert'
import { suite } from '../../support/suite.ts'

/** Makes what is young for as long as it takes, in a process of its own: V8's settings are of the process. */
function youngBytesAfterMuchWork(bounded: boolean): number {
  const program = `
    import { getHeapSpaceStatistics } from 'node:v8'
    import { boundYoungGeneration } from './adapters/fuse/bound-young-generation.ts'
    if (${bounded}) boundYoungGeneration()
    const held = []
    for (let round = 0; round < 300; round += 1) {
      for (let at = 0; at < 20_000; at += 1) held[at % 5000] = { at, inner: { round } }
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    console.log(getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space').space_size)`
  const { stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], { timeout: 120_000 })
  assert.match(stdout.toString(), /^\d+\n$/, stderr.toString())
  return Number(stdout)
}

suite('adapters/fuse/bound-young-generation', (test) => {
  test('the young generation does not grow to its limit', () => {
    const [bounded, free] = [youngBytesAfterMuchWork(true), youngBytesAfterMuchWork(false)]
    assert.ok(bounded < free, `${bounded} bytes with the bound, ${free} without`)
  })
})
