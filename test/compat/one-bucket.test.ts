import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3'
import * as assert from 'uvu/assert'
import { expectRun } from './support/expect-run.ts'
import { type Make, md5Of, partSize, type Site, type SiteFile, siteSuite } from './support/site.ts'

interface SpecJson {
  readonly uploadId: string
  readonly objectMd5: string | null
  readonly objectSize: number
  readonly parts: readonly {
    readonly partNumber: number
    readonly partSize: number
    readonly offset: number
    readonly url: string | null
    readonly sourceMd5?: string
  }[]
}

const post = { method: 'POST' } as const
const makes: readonly Make[] = ['ours', 'original']
const other = (make: Make): Make => (make === 'ours' ? 'original' : 'ours')

/** Sent to the store; whether a server or a client did is told by the query. */
/** MinIO lists no part behind a gap, which the original's server takes for a part that did not come. */
const oneByOne = { env: { TRANSPORT_PARALLEL: '1' } }
const isPartPut = (method: string, url: string): boolean => method === 'PUT' && url.includes('partNumber=')
const isReceipt = ({ method, url, status }: { readonly method: string; readonly url: string; readonly status: number }): boolean =>
  method === 'POST' && /\/upload\/[^/]+\/parts\?/.test(url) && status === 200
const putsSeen = (site: Site): number => site.traffic.exchanges.filter(({ method, url }) => isPartPut(method, url)).length

async function registerOne(site: Site, name: string, size: number): Promise<SiteFile> {
  const [file] = await site.register([site.makeFile(name, size)])
  if (file === undefined) throw new Error(`${name} was not registered`)
  return file
}

const uploadArgs = ({ path, objectId, md5 }: SiteFile): string[] => ['upload', '--file', path, '--object-id', objectId, '--md5', md5]

/** Uploads and is killed once two parts are registered. */
async function uploadTwoParts(site: Site, client: Make, file: SiteFile): Promise<void> {
  const registered = (): number => site.service.exchanges.filter(isReceipt).length
  site.traffic.hold((method, url) => isPartPut(method, url) && registered() >= 2)
  const run = site.start(client, uploadArgs(file), oneByOne)
  const early = run.finished.then(({ code, stdout, stderr }) => {
    if (code !== null) throw new Error(`the upload ended with ${code} before it was killed:\n${stdout}${stderr}`)
  })
  await Promise.race([site.service.seen(2, isReceipt), early])
  run.kill()
  assert.is((await run.finished).code, null)
  assert.is(registered(), 2)
  site.traffic.clear()
  site.service.clear()
}

/** What is stored of the upload, by name in its folder, in order. */
async function stateOf(site: Site, objectId: string): Promise<readonly string[]> {
  return (await site.keys(`upload/${objectId}_`)).map((key) => key.slice(key.indexOf('/', 'upload/'.length) + 1))
}

/** What is left of it, the mark of ours aside that the original does not know. */
async function expectNoState(site: Site, objectId: string, marks: number): Promise<void> {
  const keep = (key: string): boolean => key.endsWith('/.fresh')
  const left = await site.keysLeft(`upload/${objectId}_`, { keep: marks > 0 ? keep : () => false })
  assert.ok(left.every(keep) && left.length <= marks, left.join('\n'))
}

/** Uploads of the object that the store still holds. */
async function multipartsOf(site: Site, objectId: string): Promise<readonly string[]> {
  const { Uploads = [] } = await site.store.client.send(
    new ListMultipartUploadsCommand({ Bucket: site.bucket, Prefix: `data/${objectId}` }),
  )
  return Uploads.map(({ UploadId }) => UploadId ?? '')
}

/** An object that is whole for both servers: `exists`, and its bytes come back through each. */
async function expectWhole(site: Site, file: SiteFile): Promise<void> {
  for (const make of makes) assert.is(await (await site.ask(make, `/upload/${file.objectId}`)).text(), 'true', make)
  await site.publish(file)
  for (const make of makes) {
    site.serveBy(make)
    const folder = join(site.folder, `back-${make}-${file.objectId}`)
    const run = await site.start('ours', ['download', '--object-id', file.objectId, '--output-dir', folder]).finished
    assert.is(run.code, 0, run.stderr)
    assert.is(md5Of(join(folder, file.path.slice(file.path.lastIndexOf('/') + 1))), file.md5, make)
  }
}

/** Without what differs each time, the store's id of the upload and the signature, and without what only one signer adds. */
function comparable(text: string, uploadId: string): string {
  return text
    .replaceAll(encodeURIComponent(uploadId), 'UPLOAD')
    .replaceAll(uploadId, 'UPLOAD')
    .replace(/"url":"([^"?]+)\?([^"]+)"/g, (_all, place: string, query: string) => {
      const told = new URLSearchParams(query)
      const kept = ['uploadId', 'partNumber', 'X-Amz-Algorithm', 'X-Amz-SignedHeaders'].map((name) => `${name}=${told.get(name)}`)
      return `"url":"${place}?${kept.join('&')}"`
    })
}

siteSuite('compat: one bucket, two servers', (test) => {
  for (const client of makes)
    for (const begins of makes)
      test(`begun through ${begins}, killed, finished through ${other(begins)}, by the client of ${client}`, async (site) => {
        const file = await registerOne(site, `${client}-${begins}.bin`, 3 * partSize + 4321)
        site.serveBy(begins)
        await uploadTwoParts(site, client, file)
        site.serveBy(other(begins))
        const run = await site.start(client, uploadArgs(file), oneByOne).finished
        assert.is(run.code, 0, run.stdout + run.stderr)
        // The original's server tells its own client nothing of parts that are held (wire-vectors.md 2): all four again.
        assert.is(putsSeen(site), client === 'original' && begins === 'ours' ? 4 : 2)
        await expectNoState(site, file.objectId, begins === 'ours' ? 1 : 0)
        await expectWhole(site, file)
      })

  for (const begins of makes)
    test(`begun through ${begins}, given up through ${other(begins)}: nothing is left, and both say so`, async (site) => {
      const file = await registerOne(site, `given-up-${begins}.bin`, 2 * partSize + 99)
      site.serveBy(begins)
      await uploadTwoParts(site, 'ours', file)
      site.serveBy(other(begins))
      const cancelled = await site.start('ours', ['cancel', file.objectId]).finished
      assert.is(cancelled.code, 0, cancelled.stderr)
      for (const make of makes) {
        assert.is((await site.ask(make, `/upload/${file.objectId}/status?fileSize=${file.size}`)).status, 404, make)
        assert.is(await (await site.ask(make, `/upload/${file.objectId}`)).text(), 'false', make)
      }
      assert.equal(await stateOf(site, file.objectId), begins === 'ours' ? ['.fresh'] : [])
      assert.equal(await multipartsOf(site, file.objectId), [])
      // What is left does not stand in the way of the next upload.
      const again = await site.start('ours', uploadArgs(file)).finished
      assert.is(again.code, 0, again.stderr)
      await expectWhole(site, file)
      await expectNoState(site, file.objectId, begins === 'ours' ? 1 : 0)
    })

  test('each step of an upload through another server', async (site) => {
    const file = await registerOne(site, 'zigzag.bin', 2 * partSize + 5)
    const bytes = readFileSync(file.path)
    const begun = await site.ask('original', `/upload/${file.objectId}/uploads?fileSize=${file.size}&overwrite=false&md5=${file.md5}`, post)
    const { uploadId, parts } = (await begun.json()) as SpecJson
    assert.is(parts.length, 3)
    for (const [index, { partNumber, partSize: size, offset, url }] of parts.entries()) {
      const piece = bytes.subarray(offset, offset + size)
      const put = await fetch(url as string, { method: 'PUT', body: piece })
      const md5 = createHash('md5').update(piece).digest('hex')
      assert.is(put.headers.get('etag'), `"${md5}"`)
      const query = `uploadId=${encodeURIComponent(uploadId)}&partNumber=${partNumber}&md5=${md5}&etag=${md5}`
      const server = makes[index % 2] as Make
      assert.is((await site.ask(server, `/upload/${file.objectId}/parts?${query}`, post)).status, 200, server)
    }
    for (const make of makes) {
      const status = await site.ask(make, `/upload/${file.objectId}/status?fileSize=${file.size}`)
      const progress = (await status.json()) as SpecJson
      assert.is(progress.uploadId, uploadId)
      assert.is(progress.parts.filter(({ sourceMd5 }) => sourceMd5 !== undefined).length, 3, make)
      assert.is((await site.ask(make, `/upload/${file.objectId}/recovery?fileSize=${file.size}`, post)).status, 200, make)
    }
    const finalise = `/upload/${file.objectId}?uploadId=${encodeURIComponent(uploadId)}`
    assert.is((await site.ask('ours', finalise, post)).status, 200)
    // Both take it that an upload may be finished twice: the first answer may have been lost.
    assert.is((await site.ask('original', finalise, post)).status, 200)
    await expectWhole(site, file)
    await expectNoState(site, file.objectId, 0)
  })

  for (const next of makes)
    test(`a server of ours dies behind its answer, and the object is replaced through ${next}: what is left is no upload`, async (site) => {
      const file = await registerOne(site, `left-behind-${next}.bin`, partSize + 77)
      site.serveBy('ours')
      const first = await site.start('ours', uploadArgs(file)).finished
      assert.is(first.code, 0, first.stderr)
      await expectNoState(site, file.objectId, 0)
      const { uploadId } = JSON.parse(await site.text(`data/${file.objectId}.meta`)) as SpecJson
      const folder = `upload/${file.objectId}_${uploadId}/`
      const part = `part-00000001|${JSON.stringify({ partNumber: 1, md5: file.md5, etag: file.md5 })}`
      for (const name of ['.fresh', part]) await site.store.backend.put({ bucket: site.bucket, key: `${folder}${name}` }, new Uint8Array(0))
      for (const make of makes) assert.is((await site.ask(make, `/upload/${file.objectId}/status?fileSize=${file.size}`)).status, 404, make)
      const finished = await site.ask('original', `/upload/${file.objectId}?uploadId=${encodeURIComponent(uploadId)}`, post)
      assert.is(finished.status, 200)
      site.serveBy(next)
      const again = await site.start('ours', [...uploadArgs(file), '--force']).finished
      assert.is(again.code, 0, again.stderr)
      await expectWhole(site, file)
      assert.equal(
        (await stateOf(site, file.objectId)).filter((name) => name.endsWith('.meta')),
        [],
      )
    })

  test('an object that is replaced through the other server', async (site) => {
    const file = await registerOne(site, 'replaced.bin', 1234)
    for (const make of [...makes, ...makes]) {
      site.serveBy(make)
      const run = await site.start('ours', [...uploadArgs(file), '--force']).finished
      assert.is(run.code, 0, run.stderr)
      const again = await site.start('original', uploadArgs(file)).finished
      expectRun(again, 1, 'already exists remotely and --force was not specified')
    }
    await expectWhole(site, file)
    await expectNoState(site, file.objectId, 4)
  })

  test('state and .meta are the same to the byte, but for the URLs that we leave out of what is finished', async (site) => {
    const file = await registerOne(site, 'bytes.bin', partSize + 17)
    const seen: Record<string, { readonly state: string; readonly parts: readonly string[]; readonly meta: string }> = {}
    for (const make of makes) {
      site.serveBy(make)
      site.service.clear()
      site.service.hold((method, url) => method === 'POST' && url.includes('?uploadId=') && !url.includes('/parts'))
      const run = site.start('ours', [...uploadArgs(file), '--force'])
      await site.service.seen(2, isReceipt)
      const [folder] = await site.store.backend
        .listFolders({ bucket: site.bucket, key: `upload/${file.objectId}_` })
        [Symbol.asyncIterator]()
        .next()
        .then(({ value }) => [value as string])
      const uploadId = (folder as string).slice(`upload/${file.objectId}_`.length, -1)
      const state = comparable(await site.text(`${folder}.meta`), uploadId)
      const parts = (await stateOf(site, file.objectId)).filter((name) => name.startsWith('part-'))
      run.kill()
      await run.finished
      site.service.clear()
      assert.is((await site.ask(make, `/upload/${file.objectId}?uploadId=${encodeURIComponent(uploadId)}`, post)).status, 200)
      seen[make] = { state, parts, meta: comparable(await site.text(`data/${file.objectId}.meta`), uploadId) }
    }
    assert.is(seen['ours']?.state, seen['original']?.state)
    assert.equal(seen['ours']?.parts, seen['original']?.parts)
    assert.is(seen['ours']?.meta, seen['original']?.meta.replace(/"url":"[^"]*"/g, '"url":null'))
    assert.match(seen['ours']?.meta ?? '', /"sourceMd5":"[0-9a-f]{32}"/)
  })
})
