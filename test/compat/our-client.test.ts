import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { type ProgramRun, programOf } from '../services/support/score-process.ts'
import { type ClientChanges, md5Of, partSize, type Site, type SiteFile, siteSuite } from './support/site.ts'

const study = 'TEST-CA'
const apiKey = '6a9b1c5e-7d3f-4e2a-9b8c-0d1e2f3a4b5c'
const unknownId = '11111111-2070-5761-9dad-a0efeed5315a'
const oneByOne = { env: { TRANSPORT_PARALLEL: '1' } }

const isPartPut = (method: string, url: string): boolean => method === 'PUT' && url.includes('partNumber=')
const isPartGet = (method: string, url: string): boolean =>
  method === 'GET' && /\/data\/[0-9a-f-]{36}\?/.test(url) && url.includes('SignedHeaders=host%3Brange')
const count = (site: Site, matches: (method: string, url: string) => boolean): number =>
  site.traffic.exchanges.filter(({ method, url }) => matches(method, url)).length

let pair: readonly [SiteFile, SiteFile]
let big: SiteFile

async function run(site: Site, args: readonly string[], changes: ClientChanges = {}, code = 0): Promise<ProgramRun> {
  const done = await site.start('ours', args, changes).finished
  assert.is(done.code, code, `score ${args.join(' ')}\n${done.stdout}${done.stderr}`)
  return done
}

const uploadArgs = ({ path, objectId, md5 }: SiteFile): string[] => ['upload', '--file', path, '--object-id', objectId, '--md5', md5]
const into = (site: Site, name: string): string[] => ['--output-dir', join(site.folder, name)]
const nameOf = ({ path }: SiteFile): string => path.slice(path.lastIndexOf('/') + 1)

function expectFile(site: Site, folder: string, file: SiteFile): void {
  assert.is(md5Of(join(site.folder, folder, nameOf(file))), file.md5)
}

/** Starts, and kills once a moment has come; what was held is dropped. */
async function killedWhen(site: Site, args: readonly string[], moment: Promise<void>): Promise<void> {
  const started = site.start('ours', args, oneByOne)
  const early = started.finished.then(({ code, stdout, stderr }) => {
    if (code !== null) throw new Error(`score ${args.join(' ')} ended with ${code} before it was killed:\n${stdout}${stderr}`)
  })
  await Promise.race([moment, early])
  started.kill()
  assert.is((await started.finished).code, null)
  site.traffic.clear()
  site.service.clear()
}

siteSuite("our client against the original's server", (test) => {
  test('upload: a manifest of a file and its index', async (site) => {
    site.serveBy('original')
    const files = await site.register([site.makeFile('a.bam', 300_000), site.makeFile('a.bam.bai', 2000)])
    pair = files as unknown as typeof pair
    const manifest = join(site.folder, 'upload.tsv')
    writeFileSync(
      manifest,
      [`${pair[0].analysisId}\t\t`, ...pair.map(({ objectId, path, md5 }) => `${objectId}\t${path}\t${md5}`)].join('\n'),
    )
    await run(site, ['upload', '--manifest', manifest])
    for (const { objectId } of pair) assert.is(await (await site.ask('original', `/upload/${objectId}`)).text(), 'true')
  })

  test('upload: killed in the middle, the next run sends only the parts that are missing', async (site) => {
    const [file] = await site.register([site.makeFile('big.bin', 3 * partSize + 777)])
    big = file as SiteFile
    const receipts = (): number => site.service.exchanges.filter(({ url, status }) => url.includes('/parts?') && status === 200).length
    site.traffic.hold((method, url) => isPartPut(method, url) && receipts() >= 2)
    await killedWhen(
      site,
      uploadArgs(big),
      site.service.seen(2, ({ url, status }) => url.includes('/parts?') && status === 200),
    )
    const status = await run(site, ['status', big.objectId])
    assert.match(status.stdout, /uploading, 2 of 4 parts/)
    site.traffic.clear()
    await run(site, uploadArgs(big), oneByOne)
    assert.is(count(site, isPartPut), 2)
    assert.equal(await site.keys(`upload/${big.objectId}_`), [])
  })

  test('upload: an object that exists is refused, and replaced by --force', async (site) => {
    const refused = await run(site, uploadArgs(pair[0]), {}, 5)
    assert.match(refused.stderr, /--force/)
    assert.is(count(site, isPartPut), 0)
    await run(site, [...uploadArgs(pair[0]), '--force'])
    assert.is(count(site, isPartPut), 1)
  })

  test('cancel: an upload in progress is gone, and a second cancel is told so', async (site) => {
    const [file] = await site.register([site.makeFile('given-up.bin', partSize + 1)])
    const { objectId, size } = file as SiteFile
    const begun = await site.ask('original', `/upload/${objectId}/uploads?fileSize=${size}&overwrite=false`, { method: 'POST' })
    assert.is(begun.status, 200)
    await begun.body?.cancel()
    assert.match((await run(site, ['status', objectId])).stdout, /uploading, 0 of 2 parts/)
    await run(site, ['cancel', objectId])
    assert.equal(await site.keys(`upload/${objectId}_`), [])
    await run(site, ['cancel', objectId], {}, 4)
    assert.match((await run(site, ['status', objectId])).stdout, /nothing is uploaded/)
  })

  test('download: not before it is published', async (site) => {
    const refused = await run(site, ['download', '--object-id', big.objectId, ...into(site, 'early')], {}, 5)
    assert.match(refused.stderr, /seems not to be PUBLISHED/)
    await site.publish(pair[0])
    await site.publish(big)
  })

  test('download: a file with its index, by id; again, nothing moves', async (site) => {
    await run(site, ['download', '--object-id', pair[0].objectId, ...into(site, 'd1')])
    for (const file of pair) expectFile(site, 'd1', file)
    assert.is(count(site, isPartGet), 2)
    site.traffic.clear()
    await run(site, ['download', '--object-id', pair[0].objectId, ...into(site, 'd1')])
    assert.is(count(site, isPartGet), 0)
  })

  test('download: each part by the URL that is signed for its range, and by no other', async (site) => {
    await run(site, ['download', '--object-id', big.objectId, ...into(site, 'd2')])
    expectFile(site, 'd2', big)
    assert.is(count(site, isPartGet), 4)
    const spec = (await (await site.ask('original', `/download/${big.objectId}?offset=0&length=-1`)).json()) as { parts: { url: string }[] }
    const url = spec.parts[1]?.url as string
    const asked = async (range: string): Promise<number> => {
      const answer = await fetch(url, { headers: { range } })
      await answer.body?.cancel()
      return answer.status
    }
    assert.is(await asked(`bytes=${partSize}-${2 * partSize - 1}`), 206)
    assert.is(await asked(`bytes=${partSize}-${2 * partSize}`), 403)
  })

  test('download: killed in the middle, the next run fetches only the parts that are missing', async (site) => {
    const args = ['download', '--object-id', big.objectId, ...into(site, 'd3')]
    site.traffic.hold((method, url) => isPartGet(method, url) && count(site, isPartGet) >= 2)
    await killedWhen(
      site,
      args,
      site.traffic.seen(2, ({ method, url }) => isPartGet(method, url)),
    )
    await run(site, args, oneByOne)
    expectFile(site, 'd3', big)
    assert.ok(count(site, isPartGet) <= 3, `${count(site, isPartGet)} parts of 4 were fetched again`)
  })

  for (const [name, offset, length] of [
    ['within a part', 1000, 500_000],
    ['across parts', partSize - 10, 20],
    ['to the end', 3 * partSize, -1],
  ] as const)
    test(`download: a range ${name}`, async (site) => {
      const folder = `range-${offset}`
      const args = ['download', '--object-id', big.objectId, '--offset', String(offset), '--length', String(length), ...into(site, folder)]
      await run(site, args)
      const expected = readFileSync(big.path).subarray(offset, length < 0 ? undefined : offset + length)
      const [got] = readdirSync(join(site.folder, folder)).filter((entry) => !entry.startsWith('.'))
      assert.is(md5Of(join(site.folder, folder, got as string)), createHash('md5').update(expected).digest('hex'))
    })

  test('download: a manifest, and an analysis in the layout of bundles', async (site) => {
    const manifest = join(site.folder, 'download.tsv')
    writeFileSync(manifest, `${'x\t'.repeat(10)}x\n\t\t${big.objectId}${'\t'.repeat(8)}\n`)
    assert.match((await run(site, ['manifest', '--manifest', manifest])).stdout, new RegExp(big.objectId))
    await run(site, ['download', '--manifest', manifest, '--output-layout', 'id', ...into(site, 'd4')])
    assert.is(md5Of(join(site.folder, 'd4', big.objectId)), big.md5)
    const { analysisId } = pair[0]
    await run(site, ['download', '--analysis-id', analysisId, '--study-id', study, '--output-layout', 'bundle', ...into(site, 'd5')])
    assert.equal(readdirSync(join(site.folder, 'd5', analysisId)).sort(), ['a.bam', 'a.bam.bai'])
  })

  test('url: one that any program can use', async (site) => {
    const url = (await run(site, ['url', '--object-id', pair[0].objectId])).stdout.trim()
    const part = await fetch(url, { headers: { range: 'bytes=10-19' } })
    assert.is(part.status, 206)
    assert.equal(Buffer.from(await part.arrayBuffer()), readFileSync(pair[0].path).subarray(10, 20))
  })

  test('ls and status: what the catalogue and the store know', async (site) => {
    const rows = (await run(site, ['ls', '--study-id', study])).stdout
    for (const { objectId } of [...pair, big]) assert.match(rows, new RegExp(objectId))
    const { stdout } = await run(site, ['status', big.objectId])
    assert.match(stdout, /stored, .*\(62915337 bytes\)/)
    assert.match(stdout, /published/)
  })

  test('info: says where it would go, never the token', async (site) => {
    const { stdout } = await run(site, ['info'])
    assert.ok(stdout.includes(site.service.url))
    assert.not.ok(stdout.includes(site.token))
  })

  test('the connection is tried before bytes move, and left out where it is told', async (site) => {
    const pings = (): number => count(site, (_method, url) => url.includes('heliograph'))
    await run(site, ['download', '--object-id', big.objectId, '--force', ...into(site, 'd6')])
    assert.is(pings(), 1)
    site.traffic.clear()
    await run(site, ['download', '--object-id', big.objectId, '--force', '--verify-connection', 'false', ...into(site, 'd6')])
    assert.is(pings(), 0)
  })

  test('an API key does what its scopes say', async (site) => {
    site.auth.grantApiKey(apiKey, [`PROGRAMDATA-${study}.READ`])
    await run(site, ['download', '--object-id', pair[0].objectId, ...into(site, 'd7')], { token: apiKey })
    expectFile(site, 'd7', pair[0])
    const [file] = await site.register([site.makeFile('read-only.bin', 10)])
    const refused = await run(site, uploadArgs(file as SiteFile), { token: apiKey }, 3)
    assert.match(refused.stderr, /Token missing required scope to update project/)
    site.auth.grantApiKey(apiKey, [`PROGRAMDATA-${study}.READ`, `PROGRAMDATA-${study}.WRITE`])
    await run(site, uploadArgs(file as SiteFile), { token: apiKey })
  })

  const refusals: readonly (readonly [name: string, token: (site: Site) => Promise<string>, code: number])[] = [
    ['no token', async () => '', 3],
    ['a token that is none', async () => 'not-a-token', 3],
    ['a token that is too old', (site) => site.auth.token({ scopes: ['score.READ'], expiresIn: -3600 }), 3],
    ['a token for another study', (site) => site.auth.token({ scopes: ['PROGRAMDATA-OTHER.READ'] }), 3],
    ['an API key that nobody knows', async () => '00000000-7d3f-4e2a-9b8c-0d1e2f3a4b5c', 3],
  ]
  for (const [name, token, code] of refusals)
    test(`a controlled file, with ${name}`, async (site) => {
      await run(site, ['download', '--object-id', pair[0].objectId, ...into(site, `refused-${name}`)], { token: await token(site) }, code)
      assert.is(count(site, isPartGet), 0)
    })

  test('an open file needs no token', async (site) => {
    const [file] = await site.register([site.makeFile('open.bin', 5000)], { access: 'open' })
    const open = file as SiteFile
    await run(site, uploadArgs(open))
    await site.publish(open)
    await run(site, ['download', '--object-id', open.objectId, ...into(site, 'd8')], { token: '' })
    expectFile(site, 'd8', open)
  })

  test('an id that nobody knows', async (site) => {
    await run(site, ['download', '--object-id', unknownId, ...into(site, 'd9')], {}, 4)
  })

  test('score-client does the same in the words of the original', async (site) => {
    const strict = { program: programOf('score-client') }
    const [file] = await site.register([site.makeFile('strict.bin', 70_000)])
    const strictFile = file as SiteFile
    const uploaded = await run(site, uploadArgs(strictFile), strict)
    assert.match(uploaded.stderr, /Upload completed/)
    const again = await run(site, uploadArgs(strictFile), strict, 1)
    assert.match(again.stderr, /already exists remotely and --force was not specified. Aborting/)
    await site.publish(strictFile)
    await run(site, ['download', '--object-id', strictFile.objectId, ...into(site, 'd10')], strict)
    expectFile(site, 'd10', strictFile)
  })
})
