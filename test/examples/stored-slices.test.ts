import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { promisify } from 'node:util'
import * as assert from 'uvu/assert'
import { makeDemoBam } from '../../examples/demo/make-bam.ts'
import { createBamReader, createBamSlicer, createFileSource, createMemorySource } from '../../src/index.ts'
import { type CliWorld, createCliWorld } from '../adapters/cli/cli-world.ts'
import { freePort } from '../support/free-port.ts'
import { suite } from '../support/suite.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')

suite('examples of slices of stored objects', (test) => {
  let world: CliWorld
  let objectId = ''
  let bam = ''

  test.before(async () => {
    world = await createCliWorld()
    bam = (await makeDemoBam({ path: join(world.folder, 'demo.bam'), targetBytes: 1_000_000 })).path
    const { stdout } = await world.run(['upload', '--study', 'DEMO', 'demo.bam', 'demo.bam.bai'])
    objectId = stdout.split('\t')[0] ?? ''
  })
  test.after(() => world.close())

  /** Reads of a region of the file here. */
  async function countHere(region: string): Promise<number> {
    const [data, index] = [createFileSource(bam), createFileSource(`${bam}.bai`)]
    try {
      return await createBamSlicer({ data, index }).count([region])
    } finally {
      await Promise.all([data.close(), index.close()])
    }
  }

  test('count-reads.ts counts the reads of each region', async () => {
    const regions = ['chr1:1-200000', 'chr2', '*']
    const env = { ...process.env, ...world.named }
    const { stdout } = await run(process.execPath, ['--import', 'tsx', 'examples/count-reads.ts', objectId, ...regions], {
      cwd: root,
      env,
      timeout: 240_000,
    })
    const counts = await Promise.all(regions.map(countHere))
    assert.ok(counts.every((count) => count > 5))
    assert.is(stdout, regions.map((region, at) => `${region}\t${counts[at]}\n`).join(''))
  })

  test('slice-route.ts streams what is allowed, and refuses the rest in words', async () => {
    const port = await freePort()
    const child = spawn(process.execPath, ['--import', 'tsx', 'examples/slice-route.ts'], {
      cwd: root,
      env: { ...process.env, ...world.named, PORT: String(port), ALLOWED: 'chr1:1-200000,chr3' },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const exited = once(child, 'exit')
    try {
      await Promise.race([once(child.stdout, 'data'), exited.then(() => Promise.reject(new Error('it ended before it was ready')))])
      const get = (query: string): Promise<Response> => fetch(`http://127.0.0.1:${port}/reads/${objectId}${query}`)
      const slice = await get('?region=chr1')
      assert.is(slice.headers.get('content-type'), 'application/vnd.ga4gh.bam')
      const reader = createBamReader(createMemorySource(new Uint8Array(await slice.arrayBuffer())))
      await reader.checkEofMarker()
      let reads = 0
      for await (const _ of reader.records()) reads += 1
      assert.is(reads, await countHere('chr1:1-200000'))
      const text = await (await get('?region=chr3&region=chr2&format=sam')).text()
      assert.is(text.split('\n').filter((line) => line !== '' && !line.startsWith('@')).length, await countHere('chr3'))
      const denied = await get('?region=chr2')
      assert.is(denied.status, 403)
      assert.match(((await denied.json()) as { readonly message: string }).message, /outside what may be read/)
      const unknown = await get('?region=3')
      assert.is(unknown.status, 400)
      assert.match(((await unknown.json()) as { readonly message: string }).message, /this file calls it 'chr3'/)
      const missing = await fetch(`http://127.0.0.1:${port}/reads/11111111-2070-5761-9dad-a0efeed5315a?region=chr1`)
      assert.is(missing.status, 404)
      await missing.body?.cancel()
    } finally {
      child.kill('SIGTERM')
      await exited
    }
  })
})
