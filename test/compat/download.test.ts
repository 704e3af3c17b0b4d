import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { compatSuite } from './support/compat-suite.ts'
import { expectRun } from './support/expect-run.ts'
import { md5Of, type Registered, type World } from './support/world.ts'

const partSize = 20 * 1024 * 1024
const study = 'TEST-CA'
const unknownId = '11111111-2070-5761-9dad-a0efeed5315a'

let big: Registered
let data: Registered
let index: Registered

function must(files: readonly Registered[]): [Registered, ...Registered[]] {
  const [first, ...others] = files
  if (first === undefined) throw new Error('nothing was registered')
  return [first, ...others]
}

async function upload(world: World, files: readonly Registered[]): Promise<void> {
  for (const { path, objectId, md5 } of files) await world.score(['upload', '--file', path, '--object-id', objectId, '--md5', md5])
}

async function publish(world: World, file: Registered): Promise<void> {
  await world.score(['publish', file.analysisId, '--study', study])
}

/** One analysis with a file and its index, one with a file of four parts; all published. */
async function fillStore(world: World): Promise<void> {
  const pair = must(await world.register(study, [world.makeFile('a.bam', 300_000), world.makeFile('a.bam.bai', 2000)]))
  data = pair[0]
  index = must(pair.slice(1))[0]
  big = must(await world.register(study, [world.makeFile('big.bin', 3 * partSize + 777)]))[0]
  await upload(world, [data, index, big])
  await publish(world, data)
  await publish(world, big)
}

const gets = (world: World): number => world.proxy.exchanges.filter(({ method, url }) => method === 'GET' && isObjectUrl(url)).length

/** An object's address in the store, not the API's; nor the one that tries the connection. */
function isObjectUrl(url: string): boolean {
  return url.startsWith('/store/') && !url.includes('heliograph')
}

compatSuite(
  'original client: download',
  (test) => {
    const into = (world: World, name: string): string[] => ['--output-dir', join(world.folder, name)]

    test('by id: the file and its index', async (world) => {
      expectRun(await world.original(['download', '--object-id', data.objectId, ...into(world, 'd1')]), 0, 'Done.')
      assert.equal(readdirSync(join(world.folder, 'd1')).sort(), ['a.bam', 'a.bam.bai'])
      assert.is(md5Of(join(world.folder, 'd1', 'a.bam')), data.md5)
      assert.is(md5Of(join(world.folder, 'd1', 'a.bam.bai')), index.md5)
    })

    test('what is there is not fetched again', async (world) => {
      expectRun(
        await world.original(['download', '--object-id', data.objectId, ...into(world, 'd1')]),
        0,
        'already exists and --force was not specified',
      )
      assert.is(gets(world), 0)
    })

    test('without index and validation', async (world) => {
      const args = ['download', '--object-id', data.objectId, '--index', 'false', '--validate', 'false', ...into(world, 'd2')]
      expectRun(await world.original(args), 0, 'Done.')
      assert.equal(readdirSync(join(world.folder, 'd2')), ['a.bam'])
    })

    test('an analysis, in the layout of bundles', async (world) => {
      const args = ['download', '--analysis-id', data.analysisId, '--study-id', study, '--output-layout', 'bundle', ...into(world, 'd3')]
      expectRun(await world.original(args), 0, 'Done.')
      assert.equal(readdirSync(join(world.folder, 'd3', data.analysisId)).sort(), ['a.bam', 'a.bam.bai'])
    })

    test('a manifest, in the layout of ids', async (world) => {
      const manifest = join(world.folder, 'download.tsv')
      writeFileSync(manifest, `${'x\t'.repeat(10)}x\n\t\t${big.objectId}${'\t'.repeat(8)}\n`)
      const args = ['download', '--manifest', manifest, '--output-layout', 'id', ...into(world, 'd4')]
      expectRun(await world.original(args), 0, 'Done.')
      assert.is(md5Of(join(world.folder, 'd4', big.objectId)), big.md5)
      assert.is(gets(world), 4)
    })

    test('a range, with validation', async (world) => {
      const args = ['download', '--object-id', big.objectId, '--offset', '1000', '--length', '500000', ...into(world, 'd5')]
      expectRun(await world.original(args), 0, 'Done.')
      const slice = readFileSync(big.path).subarray(1000, 501_000)
      assert.is(md5Of(join(world.folder, 'd5', 'big.bin')), createHash('md5').update(slice).digest('hex'))
    })

    test('killed in the middle, the next run fetches only the parts that are missing', async (world) => {
      const args = ['download', '--object-id', big.objectId, ...into(world, 'd6')]
      world.proxy.hold((method, url) => method === 'GET' && isObjectUrl(url) && gets(world) >= 2)
      const first = world.start(args, { env: { TRANSPORT_PARALLEL: '1' } })
      await world.proxy.seen(2, ({ method, url }) => method === 'GET' && isObjectUrl(url))
      const state = join(world.folder, 'd6', `.${big.objectId}`)
      for (const deadline = Date.now() + 120_000; !existsSync(join(state, 'part-00000002')) && Date.now() < deadline; ) {
        await new Promise((wake) => setTimeout(wake, 20))
      }
      first.kill()
      assert.is((await first.finished).code, null)
      world.proxy.clear()
      expectRun(await world.original(args), 0, 'Done.')
      assert.is(gets(world), 2, 'four parts, two of them kept')
      assert.is(md5Of(join(world.folder, 'd6', 'big.bin')), big.md5)
    })

    test('url: one that any program can use', async (world) => {
      const run = await world.original(['url', '--object-id', data.objectId])
      expectRun(run, 0, 'Resolving URL')
      const url = run.stdout.trim()
      const whole = await fetch(url)
      assert.is(
        createHash('md5')
          .update(new Uint8Array(await whole.arrayBuffer()))
          .digest('hex'),
        data.md5,
      )
      const part = await fetch(url, { headers: { range: 'bytes=10-19' } })
      assert.is(part.status, 206)
      assert.equal(new Uint8Array(await part.arrayBuffer()), new Uint8Array(readFileSync(data.path).subarray(10, 20)))
    })

    test('the listing that its mount reads', async (world) => {
      const listing = (await (await world.get('/listing')).json()) as {
        readonly id: string
        readonly size: number
        readonly lastModified: number
      }[]
      const sizes = new Map(listing.map(({ id, size }) => [id, size]))
      assert.is(sizes.get(data.objectId), 300_000)
      assert.is(sizes.get(big.objectId), 3 * partSize + 777)
      assert.ok(listing.every(({ lastModified }) => Math.abs(lastModified - Date.now()) < 3_600_000))
    })

    test('an id that nobody knows; the original exits with 0 then', async (world) => {
      expectRun(await world.original(['download', '--object-id', unknownId, ...into(world, 'd7')]), 0, 'Entity not found')
    })

    test('an analysis that is not published', async (world) => {
      const [hidden] = must(await world.register(study, [world.makeFile('hidden.bin', 1000)]))
      await upload(world, [hidden])
      expectRun(await world.original(['download', '--object-id', hidden.objectId, ...into(world, 'd8')]), 1, /UNPUBLISHED|not published/i)
    })

    test('a controlled file without a token', async (world) => {
      expectRun(await world.original(['download', '--object-id', data.objectId, ...into(world, 'd9')], { token: '' }), 1, 'Command error')
    })

    test('a controlled file with a wrong token', async (world) => {
      expectRun(
        await world.original(['download', '--object-id', data.objectId, ...into(world, 'd10')], { token: 'wrong' }),
        1,
        'Command error',
      )
    })
  },
  fillStore,
)
