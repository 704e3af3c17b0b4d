import { randomBytes } from 'node:crypto'
import * as assert from 'uvu/assert'
import { md5Hex } from '../../src/core/checksum.ts'
import { createScoreClient, type ScoreApi, type SignedPart } from '../../src/index.ts'
import { scoreApiContract } from '../../src/testing.ts'
import { sendToAzure } from '../support/azurite.ts'
import { failureOf } from '../support/failure-of.ts'
import { azureToken, type ScoreOnAzurite, serveOnAzurite } from '../support/score-on-azurite.ts'
import { suite } from '../support/suite.ts'

interface SpecJson {
  readonly objectKey: string
  readonly objectId: string
  readonly uploadId: string
  readonly objectSize: number
  readonly objectMd5: string | null
  readonly parts: readonly (Record<string, unknown> & { readonly url: string })[]
}

const keysOfPart = ['partNumber', 'partSize', 'offset', 'url', 'md5']

suite('profile az, on Azurite', (test) => {
  let score: ScoreOnAzurite
  let api: ScoreApi
  test.before(async () => {
    score = await serveOnAzurite()
    api = createScoreClient({ url: score.url, token: azureToken })
  })
  test.after(() => score.close())

  const contract = scoreApiContract(
    'the service on Azurite, over HTTP',
    async () => {
      const { register, publish, unpublish, partBytes } = score
      return { api, anonymous: createScoreClient({ url: score.url }), register, publish, unpublish, partBytes, send: sendToAzure }
    },
    {
      deviations: [
        {
          caseName: 'a signed part gives its own range only',
          reason: 'a shared access signature binds no Range',
        },
        {
          caseName: 'a part that did not arrive is not taken, and an upload that lacks one does not finish',
          reason:
            'the list of blocks has no pages, so reports are proven when all blocks are listed: no such upload is finished, or told as held',
        },
      ],
    },
  )
  for (const { name, run } of contract) test(name, run)

  async function registered(body: Buffer, access: 'open' | 'controlled' = 'controlled'): Promise<string> {
    return score.register({ size: body.length, md5: md5Hex(body), access })
  }
  async function open(objectId: string, body: Buffer, more = ''): Promise<{ readonly status: number; readonly spec: SpecJson }> {
    const query = `fileSize=${body.length}&md5=${md5Hex(body)}${more}`
    const answer = await score.call(`/upload/${objectId}/uploads?${query}`, { method: 'POST' })
    return { status: answer.status, spec: (await answer.json()) as SpecJson }
  }
  /** As the SDK of the original's client puts a small file. */
  async function putBlob(url: string, body: Buffer): Promise<number> {
    const headers = { 'x-ms-blob-type': 'BlockBlob', 'x-ms-blob-content-md5': Buffer.from(md5Hex(body), 'hex').toString('base64') }
    const answer = await fetch(url, { method: 'PUT', body: Uint8Array.from(body), headers })
    await answer.arrayBuffer()
    return answer.status
  }
  async function exists(objectId: string): Promise<string> {
    return (await score.call(`/upload/${objectId}`)).text()
  }

  test('a client of the original is given one URL, and the object is there once its bytes are', async () => {
    const body = randomBytes(4321)
    const objectId = await registered(body)
    assert.is(await (await score.call('/profile')).text(), 'az')
    const { status, spec } = await open(objectId, body, '&overwrite=false')
    assert.is(status, 200)
    assert.equal(
      [spec.objectKey, spec.objectId, spec.uploadId, spec.objectSize, spec.objectMd5],
      [objectId, objectId, objectId, body.length, md5Hex(body)],
    )
    assert.is(spec.parts.length, 1)
    const [part] = spec.parts as [SpecJson['parts'][number]]
    assert.equal(Object.keys(part), keysOfPart)
    assert.equal([part['partNumber'], part['partSize'], part['offset'], part['md5']], [1, body.length, 0, md5Hex(body)])
    assert.match(part.url, /[?&]se=\d{4}-\d\d-\d\dT\d\d%3A\d\d%3A\d\dZ&/)
    assert.match(part.url, /[?&]sp=cw&/)
    assert.is(await exists(objectId), 'false')
    assert.is(await putBlob(part.url, body), 201)
    assert.is(await exists(objectId), 'true')
    const described = await api.describeObject(objectId)
    assert.equal([described.size, described.md5], [body.length, md5Hex(body)])
    await score.publish(objectId)
    const { parts, md5 } = await api.downloadSpec({ objectId })
    assert.is(md5, md5Hex(body))
    assert.equal(
      parts.map(({ range }) => [range.start, range.end]),
      [
        [0, 1000],
        [1000, 2000],
        [2000, 3000],
        [3000, 4000],
        [4000, 4321],
      ],
    )
    const listed: string[] = []
    for await (const row of api.listObjects()) listed.push(row.objectId)
    assert.ok(listed.includes(objectId))
  })

  test('an object that exists is refused to it without overwrite', async () => {
    const body = randomBytes(50)
    const objectId = await registered(body)
    const { spec } = await open(objectId, body)
    assert.is(await putBlob((spec.parts[0] as SpecJson['parts'][number]).url, body), 201)
    assert.is((await open(objectId, body)).status, 400)
    assert.is((await open(objectId, body, '&dialect=blocks')).status, 400)
    assert.is((await open(objectId, body, '&overwrite=true')).status, 200)
  })

  test('a client that asks for blocks is told the dialect of each part; others see nothing new', async () => {
    const body = randomBytes(2500)
    const objectId = await registered(body)
    const { spec } = await open(objectId, body, '&dialect=blocks')
    assert.is.not(spec.uploadId, objectId)
    assert.equal(
      spec.parts.map((part) => [Object.keys(part), part['dialect']]),
      Array.from({ length: 3 }, () => [[...keysOfPart, 'dialect'], 'azure-block']),
    )
    const status = async (query: string): Promise<SpecJson> =>
      (await (await score.call(`/upload/${objectId}/status?fileSize=${body.length}${query}`)).json()) as SpecJson
    assert.equal(Object.keys((await status('')).parts[0] ?? {}), keysOfPart)
    assert.is((await status('&dialect=blocks')).parts[0]?.['dialect'], 'azure-block')
    await api.cancelUpload(objectId)
  })

  test('a report of a part that did not arrive is found out when progress is asked for, and at the end', async () => {
    const body = randomBytes(2500)
    const objectId = await registered(body)
    const size = body.length
    const spec = await api.openUpload({ objectId, size, md5: md5Hex(body) })
    const md5Of = ({ range }: (typeof spec.parts)[number]): string => md5Hex(body.subarray(range.start, range.end))
    const send = async (part: (typeof spec.parts)[number]): Promise<void> => {
      const bytes = Uint8Array.from(body.subarray(part.range.start, part.range.end))
      assert.is((await sendToAzure(part.url, { method: 'PUT', body: bytes })).status, 201)
    }
    const [first, second, third] = spec.parts as [SignedPart, SignedPart, SignedPart]
    for (const part of [first, third]) await send(part)
    const other = md5Hex('another')
    for (const part of [first, second]) await api.finalizePart(spec, { number: part.number, md5: md5Of(part), etag: md5Of(part) })
    await api.finalizePart(spec, { number: 3, md5: other, etag: other })
    assert.is((await failureOf(api.finalizeUpload(spec))).code, 'upload-incomplete')
    const held = async (): Promise<(string | undefined)[]> => (await api.resumeUpload({ objectId, size })).parts.map(({ md5 }) => md5)
    assert.equal(await held(), [md5Of(first), undefined, undefined])
    await api.finalizePart(spec, { number: 3, md5: md5Of(third), etag: md5Of(third) })
    assert.equal(await held(), [md5Of(first), undefined, md5Of(third)])
    await send(second)
    await api.finalizePart(spec, { number: 2, md5: md5Of(second), etag: md5Of(second) })
    await api.finalizeUpload(spec)
    assert.is((await api.describeObject(objectId)).md5, md5Hex(body))
    const late = { number: 1, md5: md5Of(first), etag: md5Of(first) }
    assert.is((await failureOf(api.finalizePart(spec, late))).code, 'upload-not-found', 'of an upload that is finished')
    const again = await api.openUpload({ objectId, size, overwrite: true })
    await api.cancelUpload(objectId)
    assert.is((await failureOf(api.finalizePart(again, late))).code, 'upload-not-found', 'of an upload that was cancelled')
  })

  test('parts that arrived, then a client of the original that replaces the object: its bytes and nothing else', async () => {
    const first = randomBytes(2500)
    const objectId = await registered(first)
    const spec = await api.openUpload({ objectId, size: first.length, md5: md5Hex(first) })
    for (const part of spec.parts) {
      const bytes = first.subarray(part.range.start, part.range.end)
      await sendToAzure(part.url, { method: 'PUT', body: Uint8Array.from(bytes) })
      await api.finalizePart(spec, { number: part.number, md5: md5Hex(bytes), etag: md5Hex(bytes) })
    }
    await api.finalizeUpload(spec)
    const whole = await api.describeObject(objectId)
    assert.equal(
      whole.parts.map(({ md5 }) => md5),
      spec.parts.map(({ range }) => md5Hex(first.subarray(range.start, range.end))),
    )
    // The catalogue knows one content only; this is what a URL that is still alive can do at any time.
    const { spec: direct } = await open(objectId, first, '&overwrite=true')
    const second = randomBytes(777)
    assert.is(await putBlob((direct.parts[0] as SpecJson['parts'][number]).url, second), 201)
    const replaced = await api.describeObject(objectId)
    assert.equal([replaced.size, replaced.md5, replaced.parts.map(({ md5 }) => md5)], [second.length, md5Hex(second), [undefined]])
  })

  test('what one URL is given for it does not read, and it cannot be larger than that client can send', async () => {
    const body = randomBytes(10)
    const objectId = await registered(body)
    const { spec } = await open(objectId, body)
    const answer = await fetch((spec.parts[0] as SpecJson['parts'][number]).url)
    await answer.arrayBuffer()
    assert.is(answer.status, 403)
    const size = 50_000 * 100 * 1024 ** 2 + 1
    const huge = await score.register({ size, md5: md5Hex('huge'), access: 'controlled' })
    const refused = await score.call(`/upload/${huge}/uploads?fileSize=${size}`, { method: 'POST' })
    assert.is(refused.status, 400)
    assert.match(await refused.text(), /more than this client can send/)
  })
})
