import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CopyObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import * as assert from 'uvu/assert'
import { type Make, md5Of, partSize, type Site, type SiteFile, siteSuite } from './support/site.ts'

const makes: readonly Make[] = ['ours', 'original']
const other = (make: Make): Make => (make === 'ours' ? 'original' : 'ours')
const poolSize = 4
const bucketOf = (site: Site, { objectId }: Pick<SiteFile, 'objectId'>): string =>
  `${site.bucket}.${Number.parseInt(objectId.slice(0, 2), 16) % poolSize}`

interface SpecJson {
  readonly objectId: string
  readonly uploadId: string
  readonly objectMd5: string | null
  readonly objectSize: number
  readonly parts: readonly {
    readonly partSize: number
    readonly url: string | null
    readonly md5: string | null
    readonly sourceMd5?: string
  }[]
}

async function registerOne(site: Site, name: string, size: number): Promise<SiteFile> {
  const [file] = await site.register([site.makeFile(name, size)])
  if (file === undefined) throw new Error(`${name} was not registered`)
  return file
}

/** Files until one lies in this bucket of the pool. */
async function registerIn(site: Site, bucket: string, name: string, size: number): Promise<SiteFile> {
  for (let attempt = 0; ; attempt++) {
    const file = await registerOne(site, `${name}-${attempt}.bin`, size)
    if (bucketOf(site, file) === bucket) return file
  }
}

async function upload(site: Site, make: Make, { path, objectId, md5 }: SiteFile): Promise<void> {
  site.serveBy(make)
  const run = await site.start('ours', ['upload', '--file', path, '--object-id', objectId, '--md5', md5]).finished
  assert.is(run.code, 0, run.stdout + run.stderr)
}

const spec = async (site: Site, make: Make, { objectId }: SiteFile): Promise<SpecJson> => {
  const answer = await site.ask(make, `/download/${objectId}?offset=0&length=-1`)
  const text = await answer.text()
  assert.is(answer.status, 200, `${make}: ${text}`)
  return JSON.parse(text) as SpecJson
}

const stored = async (site: Site, make: Make, { objectId }: SiteFile): Promise<string> =>
  (await site.ask(make, `/upload/${objectId}`)).text()

/** The bucket of each URL of a spec. */
function bucketsOf({ parts }: SpecJson): readonly string[] {
  return [...new Set(parts.map(({ url }) => new URL(url as string).pathname.split('/')[1] ?? ''))]
}

async function move(site: Site, from: string, to: string, key: string): Promise<void> {
  await site.store.client.send(new CopyObjectCommand({ Bucket: to, Key: key, CopySource: `${from}/${key}` }))
  await site.store.backend.delete({ bucket: from, key })
}

/** Old and odd `.meta` documents that both servers must read (score-server.md 3.1); given the one that was written. */
const variants: readonly (readonly [name: string, change: (meta: Record<string, unknown>) => Record<string, unknown>])[] = [
  ['without objectMd5', ({ objectMd5: _left, ...meta }) => meta],
  ['with an unknown field', (meta) => ({ ...meta, relocated: false, addedLater: { deep: [1] } })],
  ['without sourceMd5', (meta) => ({ ...meta, parts: eachPart(meta, ({ sourceMd5: _left, ...part }) => part) })],
  ['with junk for md5', (meta) => ({ ...meta, parts: eachPart(meta, (part) => ({ ...part, md5: '<missing>' })) })],
  [
    'with URLs of a server that is gone, SigV2',
    (meta) => ({
      ...meta,
      parts: eachPart(meta, (part) => ({
        ...part,
        url: 'https://www.cancercollaboratory.org:9080/oicr.icgc/data/x?AWSAccessKeyId=a&Expires=1&Signature=b',
      })),
    }),
  ],
  [
    'of another part size',
    (meta) => ({
      ...meta,
      parts: [1, 2].map((partNumber) => ({ partNumber, partSize: 500, offset: (partNumber - 1) * 500, url: null, md5: null })),
    }),
  ],
]

function eachPart(meta: Record<string, unknown>, change: (part: Record<string, unknown>) => Record<string, unknown>): unknown {
  return (meta['parts'] as Record<string, unknown>[]).map(change)
}

/** What a client reads of a spec. */
function comparable(json: SpecJson): unknown {
  return { ...json, parts: json.parts.map(({ url, ...part }) => ({ ...part, place: new URL(url as string).pathname })) }
}

siteSuite(
  'compat: a pool of buckets, two servers',
  (test) => {
    test('every object lies where its first two digits say, whoever writes it, and both read it', async (site) => {
      const files = await Promise.all(Array.from({ length: 6 }, (_, index) => registerOne(site, `pooled-${index}.bin`, 1000 + index)))
      for (const [index, file] of files.entries()) {
        const writer = makes[index % 2] as Make
        await upload(site, writer, file)
        const home = bucketOf(site, file)
        assert.equal(await site.keys(`data/${file.objectId}`, home), [`data/${file.objectId}`, `data/${file.objectId}.meta`])
        assert.equal(await site.keysLeft('upload/', { bucket: home }), [])
        await site.publish(file)
        for (const make of makes) {
          assert.is(await stored(site, make, file), 'true')
          assert.equal(bucketsOf(await spec(site, make, file)), [home])
        }
      }
      assert.equal(await site.keys(), ['data/heliograph'])
    })

    test('an upload begun by one is finished by the other', async (site) => {
      for (const make of makes) {
        const file = await registerOne(site, `turns-${make}.bin`, partSize + 3)
        const begun = await site.ask(make, `/upload/${file.objectId}/uploads?fileSize=${file.size}&overwrite=false&md5=${file.md5}`, {
          method: 'POST',
        })
        const { uploadId } = (await begun.json()) as SpecJson
        const status = (await (await site.ask(other(make), `/upload/${file.objectId}/status?fileSize=${file.size}`)).json()) as SpecJson
        assert.is(status.uploadId, uploadId)
        assert.equal(bucketsOf(status), [bucketOf(site, file)])
        // As a client leaves it that was killed.
        mkdirSync(join(site.folder, `.${file.objectId}`))
        writeFileSync(join(site.folder, `.${file.objectId}`, 'uploadId'), uploadId)
        await upload(site, other(make), file)
        assert.is(await stored(site, make, file), 'true')
      }
    })

    test('what was moved to the bucket without a number is found there', async (site) => {
      const file = await registerOne(site, 'moved.bin', 4000)
      await upload(site, 'original', file)
      await site.publish(file)
      for (const key of [`data/${file.objectId}`, `data/${file.objectId}.meta`]) await move(site, bucketOf(site, file), site.bucket, key)
      for (const make of makes) {
        assert.is(await stored(site, make, file), 'true', make)
        assert.equal(bucketsOf(await spec(site, make, file)), [site.bucket], make)
        site.serveBy(make)
        const folder = join(site.folder, `moved-${make}`)
        const run = await site.start('original', ['download', '--object-id', file.objectId, '--output-dir', folder]).finished
        assert.is(run.code, 0, run.stderr)
        assert.is(md5Of(join(folder, 'moved.bin')), file.md5)
      }
    })

    test('every bucket is listed, each object once', async (site) => {
      const known: string[] = []
      for (const bucket of [site.bucket, ...Array.from({ length: poolSize }, (_, index) => `${site.bucket}.${index}`)])
        for (const key of await site.keys('data/', bucket)) if (/^data\/[0-9a-f-]{36}$/.test(key)) known.push(key.slice('data/'.length))
      // Of both places of one object, ours tells one.
      const twice = known[0] as string
      const home = bucketOf(site, { objectId: twice })
      await site.store.backend.put({ bucket: home, key: `data/${twice}` }, Buffer.from('twice'))
      await site.store.backend.put({ bucket: site.bucket, key: `data/${twice}` }, Buffer.from('twice'))
      // Neither is an object: a folder that begins alike, and a name that is no id.
      await site.store.backend.put({ bucket: home, key: `database/${twice}` }, Buffer.from('x'))
      await site.store.backend.put({ bucket: home, key: 'data/readme' }, Buffer.from('x'))
      const rows = (await (await site.ask('ours', '/listing')).json()) as { readonly id: string }[]
      assert.equal(
        rows.map(({ id }) => id),
        [...new Set(known)].sort(),
      )
      assert.is(((await (await site.ask('original', '/listing')).json()) as unknown[]).length > 0, true)
    })

    for (const [name, change] of variants)
      test(`a .meta ${name} is read as the original reads it`, async (site) => {
        const file = await registerOne(site, `variant-${name.replace(/\W+/g, '-')}.bin`, 1000)
        await upload(site, 'original', file)
        await site.publish(file)
        const [bucket, key] = [bucketOf(site, file), `data/${file.objectId}.meta`]
        const meta = JSON.parse(await site.text(key, bucket)) as Record<string, unknown>
        await site.store.backend.put({ bucket, key }, Buffer.from(JSON.stringify(change(meta))))
        const [ours, theirs] = await Promise.all(makes.map(async (make) => comparable(await spec(site, make, file))))
        // Of a part, ours keeps no text that is no MD5.
        assert.equal(ours, JSON.parse(JSON.stringify(theirs).replaceAll('"<missing>"', 'null')))
        site.serveBy('ours')
        const folder = join(site.folder, `variant-${file.objectId}`)
        const run = await site.start('ours', ['download', '--object-id', file.objectId, '--output-dir', folder]).finished
        assert.is(run.code, 0, run.stderr)
        assert.is(md5Of(join(folder, file.path.slice(file.path.lastIndexOf('/') + 1))), file.md5)
      })

    const strangers: readonly (readonly [name: string, metadata: (md5: Buffer) => Record<string, string>])[] = [
      ['without metadata', () => ({})],
      ['with its MD5 in base64', (md5) => ({ md5chksum: md5.toString('base64') })],
    ]
    for (const [name, metadata] of strangers)
      test(`an object that came by other means, ${name}`, async (site) => {
        const file = await registerOne(site, `stranger-${name.replace(/\W+/g, '-')}.bin`, 3000)
        const body = readFileSync(file.path)
        const put = {
          Bucket: bucketOf(site, file),
          Key: `data/${file.objectId}`,
          Body: body,
          Metadata: metadata(createHash('md5').update(body).digest()),
        }
        await site.store.client.send(new PutObjectCommand(put))
        await site.publish(file)
        for (const make of makes) assert.is(await stored(site, make, file), 'false', make)
        const [ours, theirs] = (await Promise.all(makes.map(async (make) => comparable(await spec(site, make, file))))) as [
          SpecJson,
          SpecJson,
        ]
        // The original takes no ETag for an MD5; the store's own is one for what was put at once.
        assert.equal({ ...ours, objectMd5: theirs.objectMd5 }, theirs)
        assert.is(ours.objectMd5, file.md5)
        assert.is(theirs.objectMd5, name.includes('base64') ? file.md5 : null)
      })

    test('an upload is given up in its bucket of the pool', async (site) => {
      const file = await registerIn(site, `${site.bucket}.3`, 'cancelled', partSize + 1)
      const begun = await site.ask('original', `/upload/${file.objectId}/uploads?fileSize=${file.size}&overwrite=false`, { method: 'POST' })
      assert.is(begun.status, 200)
      await begun.body?.cancel()
      assert.is((await site.keys(`upload/${file.objectId}_`, `${site.bucket}.3`)).length, 1)
      assert.is((await site.ask('ours', `/upload/${file.objectId}`, { method: 'DELETE' })).status, 200)
      assert.equal(await site.keys(`upload/${file.objectId}_`, `${site.bucket}.3`), [])
    })
  },
  {
    buckets: Array.from({ length: poolSize }, (_, index) => `score.data.${index}`),
    settings: { 'bucket.size.pool': String(poolSize), 'bucket.size.key': '2' },
  },
)
