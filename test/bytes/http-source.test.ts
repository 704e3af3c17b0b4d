import * as assert from 'uvu/assert'
import { readBytes } from '../../src/bytes/byte-source.ts'
import { createHttpSource, type HttpSourceOptions } from '../../src/bytes/http-source.ts'
import { isScoreError, type ProblemCode } from '../../src/core/errors.ts'
import { suite } from '../support/suite.ts'
import { type Asked, type RangeServer, startRangeServer } from './range-server.ts'

const content = Buffer.from(Array.from({ length: 900_000 }, (_, at) => (at * 7 + (at >> 8)) % 256))
const range = { start: 70_001, end: 870_003 }
const wanted = content.subarray(range.start, range.end)

interface Trouble {
  readonly what: string
  readonly trouble: (asked: Asked, server: RangeServer) => boolean
  /** Absent: the right bytes in the end. */
  readonly code?: ProblemCode
  readonly says?: RegExp
}

function once(number: number, work: (asked: Asked, server: RangeServer) => void): Trouble['trouble'] {
  return (asked, server) => {
    if (asked.number !== number) return false
    work(asked, server)
    return true
  }
}

function status(code: number, body = '', headers: Readonly<Record<string, string>> = {}): (asked: Asked) => void {
  return ({ response }) => void response.writeHead(code, headers).end(body)
}

/** An answer that has a right head and then only `bytes` of its body. */
function cutAfter(bytes: number, end: 'reset' | 'short'): (asked: Asked, server: RangeServer) => void {
  return ({ response, range: asked }, server) => {
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(asked) ?? []
    const start = Number(first)
    const until = Math.min(Number(last) + 1, server.bytes.length)
    const told = end === 'short' ? start + bytes : until
    response.writeHead(206, {
      'content-range': `bytes ${start}-${told - 1}/${server.bytes.length}`,
      'content-length': told - start,
      etag: '"one"',
    })
    response.write(server.bytes.subarray(start, start + bytes), () => (end === 'reset' ? response.destroy() : response.end()))
  }
}

const troubles: readonly Trouble[] = [
  { what: 'nothing', trouble: () => false },
  { what: '503 at first', trouble: once(0, status(503)) },
  { what: '500 in the middle', trouble: once(3, status(500)) },
  { what: '429 with Retry-After', trouble: once(2, status(429, '', { 'retry-after': '0' })) },
  { what: 'a reset before the head', trouble: once(2, ({ response }) => void response.destroy()) },
  { what: 'a reset in the body', trouble: once(2, cutAfter(1000, 'reset')) },
  { what: 'a reset before the first byte of the body', trouble: once(2, cutAfter(0, 'reset')) },
  { what: 'less than asked for, said so', trouble: once(2, cutAfter(1000, 'short')) },
  { what: '403 once: a fresh URL', trouble: once(2, status(403, '<Code>AccessDenied</Code>')) },
  { what: '400 that says expired: a fresh URL', trouble: once(2, status(400, '<Code>ExpiredToken</Code>')) },
  { what: '403 always', trouble: (asked) => asked.number > 0 && (status(403)(asked), true), code: 'access-denied', says: /fresh URL/ },
  { what: '404', trouble: once(0, status(404)), code: 'object-not-found' },
  { what: '400', trouble: once(0, status(400, 'no such thing')), code: 'store-protocol', says: /no such thing/ },
  {
    what: 'a server that ignores Range',
    trouble: (asked) => (status(200, 'everything')(asked), true),
    code: 'store-protocol',
    says: /ignores Range/,
  },
  { what: 'a redirect', trouble: once(0, status(302, '', { location: '/elsewhere' })), code: 'store-protocol' },
  { what: '416 in the middle', trouble: once(2, status(416)), code: 'object-changed', says: /shorter/ },
  { what: '412 in the middle', trouble: once(2, status(412)), code: 'object-changed' },
  { what: 'no Content-Range', trouble: once(2, status(206, 'x')), code: 'store-protocol', says: /Content-Range/ },
  {
    what: 'another range',
    trouble: once(2, status(206, 'x', { 'content-range': 'bytes 0-0/900000', etag: '"one"' })),
    code: 'store-protocol',
    says: /were asked for/,
  },
  {
    what: 'another size',
    trouble: (asked, server) => {
      if (asked.number === 2) server.bytes = content.subarray(0, 890_000)
      return false
    },
    code: 'object-changed',
  },
  {
    what: 'another ETag between two parts',
    trouble: (asked, server) => {
      if (asked.number === 2) server.etag = '"two"'
      return false
    },
    code: 'object-changed',
  },
  {
    what: 'a compressed answer',
    trouble: once(1, status(206, 'x', { 'content-encoding': 'gzip' })),
    code: 'store-protocol',
    says: /encoding gzip/,
  },
]

suite('http source', (test) => {
  let server: RangeServer
  test.beforeEach(async () => {
    server = await startRangeServer(content)
  })
  test.afterEach(() => server.close())

  const open = (options: Partial<HttpSourceOptions> = {}) =>
    createHttpSource({
      url: async () => ({ url: server.url }),
      partBytes: 100_000,
      connections: 3,
      retry: { attempts: 4, baseDelayMs: 1 },
      ...options,
    })

  for (const { what, trouble, code, says } of troubles) {
    test(`${what}: ${code ?? 'the right bytes'}`, async () => {
      server.trouble = (asked) => trouble(asked, server)
      const source = open()
      try {
        const bytes = await readBytes(source, range)
        assert.is(code, undefined)
        assert.ok(Buffer.from(bytes).equals(wanted))
      } catch (error) {
        if (!isScoreError(error)) throw error
        assert.is(error.code, code, error.message)
        assert.not.match(error.message, /Signature|ecret/)
        if (says) assert.match(error.message, says)
      } finally {
        await source.close()
      }
    })
  }

  test('the URL goes as it is, parts side by side, pinned by If-Match', async () => {
    const source = open()
    assert.is(await source.size(), content.length)
    const held: Asked[] = []
    server.trouble = (asked) => {
      if (asked.number > 3) return false
      held.push(asked)
      if (held.length === 3) for (const one of held) server.answer(one)
      return true
    }
    await readBytes(source, range)
    assert.ok(server.asked.every(({ url }) => url === `/o/a%2Fb?X-Amz-Signature=s%2Fecret'~`))
    assert.is(server.asked.length, 1 + 9)
    assert.ok(server.asked.slice(1).every(({ ifMatch }) => ifMatch === '"one"'))
    assert.is(held.length, 3)
    await source.close()
  })

  test('the first bytes come with the size, in one request', async () => {
    const source = open()
    assert.ok(Buffer.from(await readBytes(source, { start: 5, end: 60_000 })).equals(content.subarray(5, 60_000)))
    assert.is(server.asked.length, 1)
    await source.close()
  })

  test('an empty object has no bytes', async () => {
    server.bytes = new Uint8Array(0)
    const source = open()
    assert.is(await source.size(), 0)
    await source.close()
  })

  test('a URL that is about to run out is replaced before it is used', async () => {
    let issued = 0
    let clock = 1000
    const source = open({
      url: async () => ({ url: server.url, expiresAt: clock + 60_000 + 0 * issued++ }),
      now: () => clock,
    })
    await source.size()
    await readBytes(source, range)
    assert.is(issued, 1)
    clock += 51_000
    await readBytes(source, range)
    assert.is(issued, 2)
    await source.close()
  })

  test('an abort ends a read that hangs, and only that read', async () => {
    const source = open()
    await source.size()
    server.trouble = ({ range: asked }) => asked === 'bytes=200000-299999'
    const stop = new AbortController()
    const hanging = readBytes(source, { start: 200_000, end: 300_000 }, { signal: stop.signal }).catch((error: unknown) => error)
    assert.ok(Buffer.from(await readBytes(source, { start: 300_000, end: 400_000 })).equals(content.subarray(300_000, 400_000)))
    stop.abort(new Error('enough'))
    assert.is(((await hanging) as Error).message, 'enough')
    await source.close()
  })

  test('who leaves early ends the requests', async () => {
    const source = open()
    for await (const piece of source.stream({ start: 100_000, end: 900_000 })) {
      assert.is(piece.length, 100_000)
      break
    }
    assert.ok(server.asked.length <= 5, `${server.asked.length} requests`)
    await source.close()
  })

  test('a store that stays silent is given up', async () => {
    server.trouble = () => true
    const source = open({ stallSeconds: 0.05, retry: { attempts: 2, baseDelayMs: 1 } })
    await source.size().then(
      () => assert.unreachable(),
      (error: unknown) => {
        if (!isScoreError(error, 'unavailable')) throw error
      },
    )
    assert.is(server.asked.length, 2)
    await source.close()
  })
})
