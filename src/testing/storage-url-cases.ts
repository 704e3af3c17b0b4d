import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { unquoteEtag } from '../core/checksum.ts'
import type { ObjectAddress } from '../storage/storage-backend.ts'
import type { CaseDefinition } from './contract-case.ts'
import { oddUrlKeys } from './storage-document-cases.ts'
import { patternBytes, type Workbench } from './storage-subject.ts'

const bytes = patternBytes(1000, 'signed')

async function put(bench: Workbench, name = 'a'): Promise<ObjectAddress> {
  await bench.backend.put(bench.at(name), bytes)
  return bench.at(name)
}

async function getUrl(bench: Workbench, address: ObjectAddress, expiresInSeconds = 600): Promise<string> {
  return (await bench.backend.presign({ action: 'get', address, expiresInSeconds })).url
}

async function status(answer: Promise<Response>): Promise<number> {
  const response = await answer
  await response.arrayBuffer()
  return response.status
}

const patience = 15_000

/** Lets a URL of one second run out. */
async function outlive(bench: Workbench, url: string): Promise<number> {
  bench.advance?.(5000)
  const deadline = Date.now() + patience
  for (;;) {
    const found = await status(bench.request(url))
    if (found !== 200 || Date.now() > deadline) return found
    await sleep(200)
  }
}

/** Another digit in the middle of the longest value of the query. */
function tampered(url: string): string {
  const { search } = new URL(url)
  const longest = search
    .slice(1)
    .split('&')
    .map((pair) => pair.slice(pair.indexOf('=') + 1))
    .reduce((left, right) => (right.length > left.length ? right : left))
  const at = url.indexOf(longest) + Math.floor(longest.length / 2)
  return `${url.slice(0, at)}${url[at] === '0' ? '1' : '0'}${url.slice(at + 1)}`
}

const downloads: readonly CaseDefinition<Workbench>[] = [
  {
    name: 'a signed GET gives the object, with its ETag',
    async check(bench) {
      const address = await put(bench)
      const { url, expiresAt } = await bench.backend.presign({ action: 'get', address, expiresInSeconds: 600 })
      const answer = await bench.request(url)
      assert.equal(answer.status, 200)
      assert.deepEqual(Buffer.from(await answer.arrayBuffer()), bytes)
      assert.equal(answer.headers.get('content-length'), '1000')
      assert.equal(unquoteEtag(answer.headers.get('etag') ?? ''), (await bench.backend.head(address))?.etag)
      assert.ok(expiresAt instanceof Date)
      const names = [...new URL(url).searchParams.keys()].map((name) => name.toLowerCase())
      assert.equal(new Set(names).size, names.length, 'names in the query differ in more than case')
    },
  },
  {
    name: 'a URL that is signed at once is as good, where the store waits for nothing to sign',
    async check(bench) {
      const { presignNow } = bench.backend
      if (presignNow === undefined) return
      const { url } = presignNow({ action: 'get', address: await put(bench), range: { start: 0, end: 10 }, expiresInSeconds: 600 })
      assert.equal(await status(bench.request(url, { headers: { range: 'bytes=0-9' } })), 206)
      assert.equal(await status(bench.request(url, { headers: { range: 'bytes=0-10' } })), 403)
    },
  },
  {
    name: 'a signed GET without a range takes any range',
    async check(bench) {
      const url = await getUrl(bench, await put(bench))
      const answer = await bench.request(url, { headers: { range: 'bytes=100-199' } })
      assert.equal(answer.status, 206)
      assert.equal(answer.headers.get('content-range'), 'bytes 100-199/1000')
      assert.deepEqual(Buffer.from(await answer.arrayBuffer()), bytes.subarray(100, 200))
      assert.equal(await status(bench.request(url, { headers: { range: 'bytes=1000-1001' } })), 416)
    },
  },
  {
    name: 'a signed range is the only one that is given',
    async check(bench) {
      const address = await put(bench)
      const range = { start: 100, end: 200 }
      const { url } = await bench.backend.presign({ action: 'get', address, range, expiresInSeconds: 600 })
      const answer = await bench.request(url, { headers: { range: 'bytes=100-199' } })
      assert.equal(answer.status, 206)
      assert.deepEqual(Buffer.from(await answer.arrayBuffer()), bytes.subarray(100, 200))
      assert.equal(await status(bench.request(url, { headers: { range: 'bytes=100-200' } })), 403)
      assert.equal(await status(bench.request(url)), 403)
    },
  },
  {
    name: 'a signed URL runs out',
    async check(bench) {
      const url = await getUrl(bench, await put(bench), 1)
      assert.equal(await outlive(bench, url), 403)
    },
  },
  {
    name: 'a signed URL that was changed is refused',
    async check(bench) {
      const url = await getUrl(bench, await put(bench, 'victim'))
      assert.equal(await status(bench.request(tampered(url))), 403)
      await put(bench, 'vistim')
      assert.equal(await status(bench.request(url.replace('victim', 'vistim'))), 403)
      assert.equal(await status(bench.request(url)), 200)
    },
  },
  {
    name: 'a signed GET is no right to write',
    async check(bench) {
      const url = await getUrl(bench, await put(bench))
      for (const method of ['PUT', 'DELETE']) {
        const found = await status(
          bench.request(url, { method, ...(method === 'PUT' ? { body: 'x', headers: { ...bench.putHeaders } } : {}) }),
        )
        assert.ok(found === 403 || found === 405, `${method} answered ${found}`)
      }
      assert.deepEqual(await bench.read(bench.at('a')), bytes)
    },
  },
  {
    name: 'a signed GET of nothing is 404',
    async check(bench) {
      assert.equal(await status(bench.request(await getUrl(bench, bench.at('none')))), 404)
    },
  },
  {
    name: 'If-Match refuses another version',
    async check(bench) {
      const address = await put(bench)
      const url = await getUrl(bench, address)
      const etag = (await bench.backend.head(address))?.etag ?? ''
      assert.equal(await status(bench.request(url, { headers: { 'if-match': `"${etag}"` } })), 200)
      await bench.backend.put(address, Buffer.from('another'))
      assert.equal(await status(bench.request(url, { headers: { 'if-match': `"${etag}"` } })), 412)
    },
  },
  {
    name: 'odd keys survive a signed URL',
    async check(bench) {
      for (const key of oddUrlKeys) {
        await bench.backend.put(bench.at(`odd/${key}`), Buffer.from(key))
        const answer = await bench.request(await getUrl(bench, bench.at(`odd/${key}`)))
        assert.equal(answer.status, 200, key)
        assert.equal(Buffer.from(await answer.arrayBuffer()).toString(), key)
        await bench.backend.delete(bench.at(`odd/${key}`))
      }
    },
  },
]

const uploads: readonly CaseDefinition<Workbench>[] = [
  {
    name: 'a part for an upload that is gone is refused',
    async check(bench) {
      const multipart = await bench.backend.createMultipart(bench.at('a'))
      const { url } = await bench.backend.presign({ action: 'put-part', multipart, partNumber: 1, expiresInSeconds: 600 })
      await bench.backend.abortMultipart(multipart)
      assert.equal(await status(bench.request(url, { method: 'PUT', body: 'x', headers: { ...bench.putHeaders } })), 404)
      assert.equal(await bench.backend.head(bench.at('a')), undefined)
    },
  },
  {
    name: 'the URL of one part fills no other, and reads nothing',
    async check(bench) {
      const multipart = await bench.backend.createMultipart(bench.at('a'))
      const { url } = await bench.backend.presign({ action: 'put-part', multipart, partNumber: 1, expiresInSeconds: 600 })
      const other = url.replace(/partNumber=1\b/, 'partNumber=2')
      assert.notEqual(other, url)
      assert.equal(await status(bench.request(other, { method: 'PUT', body: 'x', headers: { ...bench.putHeaders } })), 403)
      const read = await status(bench.request(url))
      assert.ok(read === 403 || read === 405, `GET answered ${read}`)
      assert.equal(await status(bench.request(tampered(url), { method: 'PUT', body: 'x', headers: { ...bench.putHeaders } })), 403)
      assert.deepEqual(await bench.partsOf(multipart), [])
      await bench.backend.abortMultipart(multipart)
    },
  },
  {
    name: 'a wrong Content-MD5 is refused, a right one taken',
    async check(bench) {
      const multipart = await bench.backend.createMultipart(bench.at('a'))
      const { url } = await bench.backend.presign({ action: 'put-part', multipart, partNumber: 1, expiresInSeconds: 600 })
      const send = (digest: string): Promise<Response> =>
        bench.request(url, { method: 'PUT', body: 'hello', headers: { ...bench.putHeaders, 'content-md5': digest } })
      assert.equal(await status(send('XUFAKrxLKna5cZ2REBfFkw==')), 400)
      assert.deepEqual(await bench.partsOf(multipart), [])
      assert.ok([200, 201].includes(await status(send('XUFAKrxLKna5cZ2REBfFkg=='))))
      assert.equal((await bench.partsOf(multipart)).length, 1)
      await bench.backend.abortMultipart(multipart)
    },
  },
]

export const urlCases: readonly CaseDefinition<Workbench>[] = [...downloads, ...uploads]
