import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import * as assert from 'uvu/assert'
import { parseAzureBlockId } from '../../src/core/azure-block-id.ts'
import { type AzureWorld, createAzureWorld } from './support/azure-world.ts'
import { compatSuite } from './support/compat-suite.ts'
import { expectRun } from './support/expect-run.ts'
import { isStored, registerOne, uploadArgs } from './support/upload-steps.ts'
import { md5Of, type Registered, type World } from './support/world.ts'

const mib = 1024 ** 2

let azure: AzureWorld | undefined

function azureOf(): AzureWorld {
  if (azure === undefined) throw new Error('there is no store')
  return azure
}

async function make(): Promise<World> {
  azure = await createAzureWorld()
  return azure
}

async function publish(world: World, file: Registered): Promise<void> {
  await world.score(['publish', file.analysisId, '--study', 'TEST-CA'])
}

function emptyFolder(world: World, name: string): string {
  const folder = join(world.folder, name)
  mkdirSync(folder)
  return folder
}

async function uncommitted(objectId: string): Promise<readonly string[]> {
  const blob = (await azureOf().azurite.container('data')).getBlockBlobClient(objectId)
  const list = await blob.getBlockList('uncommitted').catch(() => undefined)
  return (list?.uncommittedBlocks ?? []).map(({ name }) => name)
}

compatSuite(
  'original client on Azure',
  (test) => {
    let small: Registered
    let large: Registered

    test('uploads a small file: no call of ours after the first URL, and the object is there', async (world) => {
      small = await registerOne(world, 'small.bin', 1000)
      expectRun(await world.original(uploadArgs(small)), 0, 'Upload completed')
      const asked = world.proxy.exchanges.map(({ method, url }) => `${method} ${url.replace(/\?.*/s, '')}`)
      assert.is(asked.at(-1), `POST /upload/${small.objectId}/uploads`, asked.join('\n'))
      assert.is(await isStored(world, small.objectId), 'true')
    })

    test('is refused when the object exists, and replaces it with --force', async (world) => {
      const says = `Object id ${small.objectId} already exists remotely and --force was not specified. Aborting...`
      expectRun(await world.original(uploadArgs(small)), 1, says)
      expectRun(await world.original([...uploadArgs(small), '--force']), 0, 'Upload completed')
    })

    test('uploads more than 100 MiB, in blocks', async (world) => {
      large = await registerOne(world, 'large.bin', 110 * mib + 11)
      expectRun(await world.original(uploadArgs(large)), 0, 'Upload completed')
      assert.is(await isStored(world, large.objectId), 'true')
    })

    test('publishes what was uploaded, downloads it and finds it whole', async (world) => {
      await publish(world, large)
      await publish(world, small)
      const folder = emptyFolder(world, 'back')
      for (const file of [small, large])
        expectRun(await world.original(['download', '--object-id', file.objectId, '--output-dir', folder]), 0, /[Dd]ownload/)
      assert.is(md5Of(join(folder, 'large.bin')), large.md5)
      assert.is(md5Of(join(folder, 'small.bin')), small.md5)
    })

    test('downloads a range, validated', async (world) => {
      const folder = emptyFolder(world, 'range')
      const offset = 90 * mib + 7
      const length = 15 * mib
      const args = ['--object-id', large.objectId, '--output-dir', folder, '--offset', String(offset), '--length', String(length)]
      expectRun(await world.original(['download', ...args]), 0, /[Dd]ownload/)
      const [name = ''] = readdirSync(folder).filter((found) => !found.startsWith('.'))
      assert.ok(readFileSync(join(folder, name)).equals(readFileSync(large.path).subarray(offset, offset + length)))
    })

    test('what it uploaded, ours downloads', async (world) => {
      await world.score(['download', '--object-id', large.objectId, '--output-dir', emptyFolder(world, 'ours')])
      assert.is(md5Of(join(world.folder, 'ours', 'large.bin')), large.md5)
    })

    test('what ours uploaded in parts, it downloads and finds whole, part by part', async (world) => {
      const file = await registerOne(world, 'parts.bin', 45 * mib + 1)
      await world.score(uploadArgs(file))
      await publish(world, file)
      const spec = (await (await world.get(`/download/${file.objectId}?offset=0&length=-1`)).json()) as { parts: { sourceMd5?: string }[] }
      assert.equal(
        spec.parts.map(({ sourceMd5 }) => /^[0-9a-f]{32}$/.test(sourceMd5 ?? '')),
        [true, true, true],
      )
      const folder = emptyFolder(world, 'parts')
      expectRun(await world.original(['download', '--object-id', file.objectId, '--output-dir', folder]), 0, /[Dd]ownload/)
      assert.is(md5Of(join(folder, 'parts.bin')), file.md5)
    })

    test('what it left half done, ours takes over; its blocks and ours do not exclude each other', async (world) => {
      const file = await registerOne(world, 'half.bin', 230 * mib)
      const run = world.start(uploadArgs(file), { env: { TRANSPORT_PARALLEL: '1' } })
      const deadline = Date.now() + 120_000
      while ((await uncommitted(file.objectId)).length === 0 && Date.now() < deadline) await wait(20)
      run.kill()
      await run.finished
      const left = await uncommitted(file.objectId)
      assert.ok(left.length > 0 && left.every((name) => parseAzureBlockId(name) === undefined), left.join(' '))
      assert.is(await isStored(world, file.objectId), 'false')
      await world.score(uploadArgs(file))
      assert.is(await isStored(world, file.objectId), 'true')
      await publish(world, file)
      await world.score(['download', '--object-id', file.objectId, '--output-dir', emptyFolder(world, 'half')])
      assert.is(md5Of(join(world.folder, 'half', 'half.bin')), file.md5)
    })
  },
  async () => {},
  make,
)
