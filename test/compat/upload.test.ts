import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { compatSuite } from './support/compat-suite.ts'
import { expectRun } from './support/expect-run.ts'
import { isStored, registerOne, uploadArgs } from './support/upload-steps.ts'
import { md5Of, type Registered, type World } from './support/world.ts'

const partSize = 20 * 1024 * 1024
const unknownId = '11111111-2070-5761-9dad-a0efeed5315a'
const isPartPut = (method: string, url: string): boolean => method === 'PUT' && url.startsWith('/store/')
const isPartReceipt = ({ method, url, status }: { method: string; url: string; status: number }): boolean =>
  method === 'POST' && /\/upload\/[^/]+\/parts\?/.test(url) && status === 200

function putsSeen(world: World): number {
  return world.proxy.exchanges.filter(({ method, url }) => isPartPut(method, url)).length
}

compatSuite('original client: upload', (test) => {
  let small: Registered

  test('a small file', async (world) => {
    small = await registerOne(world, 'small.bin', 1000)
    expectRun(await world.original(uploadArgs(small)), 0, 'Upload completed')
    assert.is(await isStored(world, small.objectId), 'true')
    assert.is(putsSeen(world), 1)
    assert.not.ok(existsSync(join(world.folder, `.${small.objectId}`)), 'its state folder is gone')
  })

  test('is refused when the object exists', async (world) => {
    const says = `Object id ${small.objectId} already exists remotely and --force was not specified. Aborting...`
    expectRun(await world.original(uploadArgs(small)), 1, says)
    assert.is(putsSeen(world), 0)
  })

  test('--force replaces it', async (world) => {
    expectRun(await world.original([...uploadArgs(small), '--force']), 0, 'Upload completed')
    assert.is(putsSeen(world), 1)
  })

  test('is refused when the analysis is published', async (world) => {
    await world.score(['publish', small.analysisId, '--study', 'TEST-CA'])
    expectRun(await world.original([...uploadArgs(small), '--force']), 1, /published/i)
    assert.is(putsSeen(world), 0)
  })

  test('a manifest of two files, as `score register` prints it', async (world) => {
    const paths = [world.makeFile('one.bin', 5000), world.makeFile('two.bin', partSize + 1)]
    const manifest = join(world.folder, 'manifest.txt')
    writeFileSync(manifest, await world.score(['register', '--study', 'TEST-CA', ...paths]))
    expectRun(await world.original(['upload', '--manifest', manifest]), 0, 'Upload completed')
    assert.is(putsSeen(world), 3)
    for (const row of readFileSync(manifest, 'utf8').trimEnd().split('\n').slice(1)) {
      assert.is(await isStored(world, row.split('\t')[0] ?? ''), 'true')
    }
  })

  test('another MD5 than the catalogue has is refused before a byte moves', async (world) => {
    const file = await registerOne(world, 'wrong.bin', 1000)
    const args = uploadArgs({ ...file, md5: '00000000000000000000000000000000' })
    expectRun(await world.original(args), 1, /MD5/)
    assert.is(putsSeen(world), 0)
    assert.is(await isStored(world, file.objectId), 'false')
  })

  test('an id that the catalogue does not know', async (world) => {
    const path = world.makeFile('unknown.bin', 1000)
    const run = await world.original(uploadArgs({ objectId: unknownId, path, md5: md5Of(path), analysisId: '' }))
    expectRun(run, 1, unknownId)
    assert.is(putsSeen(world), 0)
  })

  test('a wrong token', async (world) => {
    const file = await registerOne(world, 'wrong-token.bin', 1000)
    expectRun(await world.original(uploadArgs(file), { token: 'not-the-token' }), 1, 'Command error')
    assert.is(putsSeen(world), 0)
  })

  test('no token', async (world) => {
    const file = await registerOne(world, 'no-token.bin', 1000)
    expectRun(await world.original(uploadArgs(file), { token: '' }), 1, 'Command error')
    assert.is(putsSeen(world), 0)
  })

  test('killed in the middle, the next run sends only the parts that are missing', async (world) => {
    const file = await registerOne(world, 'killed.bin', 4 * partSize + 12345)
    const registered = (): number => world.proxy.exchanges.filter(isPartReceipt).length
    world.proxy.hold((method, url) => isPartPut(method, url) && registered() >= 2)
    const first = world.start(uploadArgs(file), { env: { TRANSPORT_PARALLEL: '1' } })
    await world.proxy.seen(2, isPartReceipt)
    first.kill()
    assert.is((await first.finished).code, null)
    assert.is(registered(), 2)
    world.proxy.clear()
    expectRun(await world.original(uploadArgs(file)), 0, 'Upload completed')
    assert.is(putsSeen(world), 3, 'five parts, two of them kept')
    assert.is(await isStored(world, file.objectId), 'true')
    await world.score(['publish', file.analysisId, '--study', 'TEST-CA'])
    await world.score(['download', '--object-id', file.objectId, '--output-dir', 'back'])
    assert.is(md5Of(join(world.folder, 'back', 'killed.bin')), file.md5)
  })
})
