import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import * as assert from 'uvu/assert'
import { makeDemoBam } from '../../examples/demo/make-bam.ts'
import { createBamReader, createBamSlicer, createFileSource, createMemorySource, parseIndex } from '../../src/index.ts'
import { startRangeServer } from '../bytes/range-server.ts'
import { suite } from '../support/suite.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')

suite('example of slices', (test) => {
  let folder = ''
  test.before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'score-example-slice-'))
  })
  test.after(() => rm(folder, { recursive: true }))

  test('slice-region.ts cuts a region out of a file behind a URL, with its index', async () => {
    const made = await makeDemoBam({ path: join(folder, 'demo.bam'), targetBytes: 1_000_000 })
    const server = await startRangeServer(await readFile(made.path))
    const out = join(folder, 'slice.bam')
    try {
      const args = ['--import', 'tsx', 'examples/slice-region.ts', server.url, made.indexPath, out, 'chr1:100,000-200,000', 'chr2']
      const { stdout } = await run(process.execPath, args, { cwd: root, timeout: 240_000 })
      const counts = stdout
        .trim()
        .split('\n')
        .map((line) => Number(line.split('\t')[1]))
      let records = 0
      for await (const _ of createBamReader(createMemorySource(await readFile(out))).records()) records += 1
      assert.is(counts.length, 2)
      assert.ok(counts.every((count) => count > 10))
      assert.is(records, (counts[0] as number) + (counts[1] as number))
      const data = createFileSource(out)
      const inner = createBamSlicer({ data, index: await parseIndex(await readFile(`${out}.bai`)) })
      assert.is(await inner.count(['chr2']), counts[1])
      await data.close()
    } finally {
      await server.close()
    }
  })
})
