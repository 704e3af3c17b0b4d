import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { type AzureWorld, azureEnvironment, createAzureWorld } from '../compat/support/azure-world.ts'
import { md5Of, type Registered } from '../compat/support/world.ts'
import { type Azurite, startAzurite } from '../support/azurite.ts'
import { suite } from '../support/suite.ts'
import { type ProgramRun, programOf, type RunningProgram, startProgram, startScoreServer } from './support/score-process.ts'

const partSize = 20 * 1024 ** 2

async function registerOne(world: AzureWorld, name: string, size: number): Promise<Registered> {
  const [file] = await world.register('TEST-CA', [world.makeFile(name, size)])
  if (file === undefined) throw new Error(`${name} was not registered`)
  return file
}

function uploadArgs(file: Registered): string[] {
  return ['upload', '--file', file.path, '--object-id', file.objectId, '--md5', file.md5]
}

const isReceipt = ({ method, url, status }: { method: string; url: string; status: number }): boolean =>
  method === 'POST' && /\/upload\/[^/]+\/parts\?/.test(url) && status === 200

async function endedEarly({ finished }: RunningProgram): Promise<never> {
  const { code, stdout, stderr } = await finished
  throw new Error(`the upload ended with ${code}:\n${stdout}\n${stderr}`)
}

suite('services/azurite: our programs on Azure', (test) => {
  let world: AzureWorld
  test.before(async () => {
    world = await createAzureWorld()
  })
  test.after(() => world.close())
  test.beforeEach(() => world.proxy.clear())

  test('a file goes up in parts and comes back', async () => {
    const file = await registerOne(world, 'whole.bin', 3 * partSize + 17)
    await world.score(uploadArgs(file))
    assert.is(world.proxy.exchanges.filter(isReceipt).length, 4)
    const asked = world.proxy.exchanges.map(({ method, url }) => `${method} ${url.replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, ':id')}`)
    assert.ok(
      asked.some((line) => /^POST \/upload\/:id\/uploads\?.*dialect=blocks/.test(line)),
      asked.join('\n'),
    )
    const blob = await (await world.azurite.container('data')).getBlobClient(file.objectId).getProperties()
    assert.is(Buffer.from(blob.contentMD5 ?? []).toString('hex'), file.md5, 'the blob has the MD5 of the whole')
    await world.score(['publish', file.analysisId, '--study', 'TEST-CA'])
    await world.score(['download', '--object-id', file.objectId, '--output-dir', 'back'])
    assert.is(md5Of(join(world.folder, 'back', 'whole.bin')), file.md5)
  })

  test('killed in the middle, the next run sends only the parts that are missing', async () => {
    const file = await registerOne(world, 'killed.bin', 4 * partSize + 99)
    const registered = (): number => world.proxy.exchanges.filter(isReceipt).length
    // The third receipt and those after it are held: their blocks are in the store, and nobody knows.
    world.proxy.hold((method, url) => method === 'POST' && /\/parts\?/.test(url) && registered() >= 2)
    const env = { STORAGE_URL: world.proxy.url, METADATA_URL: world.proxy.url, ACCESSTOKEN: world.token, TRANSPORT_PARALLEL: '1' }
    const first = startProgram(uploadArgs(file), { program: programOf('score'), cwd: world.folder, env })
    await Promise.race([world.proxy.seen(2, isReceipt, 120), endedEarly(first)])
    first.kill()
    assert.is((await first.finished).code, null)
    assert.is(registered(), 2)
    world.proxy.clear()
    await world.score(uploadArgs(file))
    assert.is(registered(), 3, 'five parts, two of them kept')
    await world.score(['publish', file.analysisId, '--study', 'TEST-CA'])
    await world.score(['download', '--object-id', file.objectId, '--output-dir', 'resumed'])
    assert.is(md5Of(join(world.folder, 'resumed', 'killed.bin')), file.md5)
  })

  test('an upload that is cancelled leaves nothing to be seen, and can begin anew', async () => {
    const file = await registerOne(world, 'cancelled.bin', partSize + 1)
    world.proxy.hold((method, url) => method === 'POST' && /\/upload\/[^/]+\?uploadId=/.test(url))
    const env = { STORAGE_URL: world.proxy.url, METADATA_URL: world.proxy.url, ACCESSTOKEN: world.token }
    const first = startProgram(uploadArgs(file), { program: programOf('score'), cwd: world.folder, env })
    await Promise.race([world.proxy.seen(2, isReceipt, 120), endedEarly(first)])
    first.kill()
    await first.finished
    world.proxy.clear()
    const cancelled = await fetch(`${world.proxy.url}/upload/${file.objectId}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${world.token}` },
    })
    assert.is(cancelled.status, 200)
    assert.is(await (await world.get(`/upload/${file.objectId}`)).text(), 'false')
    const names: string[] = []
    for await (const { name } of (await world.azurite.container('data')).listBlobsFlat()) names.push(name)
    assert.equal(
      names.filter((name) => name.includes(file.objectId)),
      [],
    )
    await world.score([...uploadArgs(file), '--force'])
    assert.is(await (await world.get(`/upload/${file.objectId}`)).text(), 'true')
  })
})

suite('services/azurite: score serve', (test) => {
  let azurite: Azurite
  let folder: string
  test.before(async () => {
    azurite = await startAzurite({ containers: ['data', 'bare', 'ruled'] })
    folder = await mkdtemp(join(tmpdir(), 'score-azure-serve-'))
  })
  test.after(async () => {
    await azurite.stop()
    await rm(folder, { recursive: true })
  })

  const check = (changes: Readonly<Record<string, string>>, ...more: readonly string[]): Promise<ProgramRun> => {
    const env = { ...azureEnvironment(azurite), SCORE_DATA: join(folder, 'catalogue'), ...changes }
    return startProgram(['serve', '--check', ...more], { program: programOf('score'), cwd: folder, env }).finished
  }
  const seen = ({ code, stdout, stderr }: ProgramRun): string => `exit code ${code}\n${stdout}\n${stderr}`

  test('the settings of the page serve', async () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/stores.md'), 'utf8')
    const example = /```sh azurite\n([\s\S]*?)```/.exec(page)?.[1] ?? ''
    const lines = example.trim().split('\n')
    assert.ok(lines.length >= 7, example)
    const env = Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]))
    const settings = { cwd: folder, env: { ...env, AZURE_ENDPOINT: azurite.endpoint, SERVER_PORT: '0', SERVER_ADDRESS: '127.0.0.1' } }
    const fixed = await startProgram(['serve', '--check', '--fix'], settings).finished
    assert.is(fixed.code, 0, seen(fixed))
    const server = await startScoreServer(settings)
    try {
      const answer = await fetch(`${server.url}/actuator/health`)
      assert.is(await answer.text(), '{"status":"UP"}')
    } finally {
      assert.is(await server.end(), 0, server.log())
    }
  })

  test('--check finds what is missing, and --fix mends it', async () => {
    const bare = await check({ BUCKET_NAME_OBJECT: 'bare' })
    assert.is(bare.code, 2, seen(bare))
    assert.match(bare.stdout, /bad {4}sentinel: bucket 'bare' lacks 'heliograph'/)
    assert.match(bare.stdout, /good {3}signed URLs of uploads/)
    const fixed = await check({ BUCKET_NAME_OBJECT: 'bare' }, '--fix')
    assert.is(fixed.code, 0, seen(fixed))
    assert.match(fixed.stdout, /good {3}signed URLs of downloads/)
  })

  test('--check says that there is no container', async () => {
    const run = await check({ BUCKET_NAME_OBJECT: 'nowhere' })
    assert.is(run.code, 2, seen(run))
    assert.match(run.stdout, /ContainerNotFound.*create the container or correct its name/)
  })

  test('--check says that the key is wrong, and does not show it', async () => {
    const key = Buffer.from('a key of nobody'.repeat(4)).toString('base64')
    const run = await check({ AZURE_ACCOUNTKEY: key })
    assert.is(run.code, 2, seen(run))
    assert.match(run.stdout, /check the name and key of the account/)
    assert.not.ok(seen(run).includes(key))
  })

  test('--check tries what stored access policies allow', async () => {
    const container = await azurite.container('ruled')
    const rule = (id: string, permissions: string) => ({ id, accessPolicy: { permissions } })
    const settings = { BUCKET_NAME_OBJECT: 'ruled', BUCKET_POLICY_UPLOAD: 'Up', BUCKET_POLICY_DOWNLOAD: 'Down' }
    await container.setAccessPolicy(undefined, [rule('Up', 'racwl'), rule('Down', 'rl')])
    const good = await check(settings, '--fix')
    assert.is(good.code, 0, seen(good))
    await container.setAccessPolicy(undefined, [rule('Up', 'r'), rule('Down', 'rl')])
    const bad = await check(settings)
    assert.is(bad.code, 2, seen(bad))
    assert.match(bad.stdout, /bad {4}signed URLs of uploads: the store refuses to let clients write/)
    assert.match(bad.stdout, /good {3}signed URLs of downloads/)
  })
})
