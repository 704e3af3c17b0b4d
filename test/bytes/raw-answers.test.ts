import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import * as assert from 'uvu/assert'
import { readBytes } from '../../src/bytes/byte-source.ts'
import type { ByteRange } from '../../src/core/byte-range.ts'
import { isScoreError, type ProblemCode, type ScoreError } from '../../src/core/errors.ts'
import { createObjectOpener } from '../../src/index.ts'
import { suite } from '../support/suite.ts'

const content = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 7 + (at >> 8)) % 256))
const range: ByteRange = { start: 100_001, end: 250_003 }

interface Asked {
  readonly socket: Socket
  readonly first: number
  readonly last: number
  /** Of all requests, from 0; the first opens the object. */
  readonly number: number
}

function head(
  { first, last }: Asked,
  more: Readonly<Record<string, string | number | undefined>> = {},
  status = 'HTTP/1.1 206 Partial Content',
) {
  const headers = {
    'Content-Range': `bytes ${first}-${last}/${content.length}`,
    'Content-Length': last - first + 1,
    ETag: '"one"',
    ...more,
  }
  const lines = Object.entries(headers).filter(([, value]) => value !== undefined)
  return `${status}\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
}

function body({ first, last }: Asked): Buffer {
  return content.subarray(first, last + 1)
}

function well(asked: Asked): void {
  asked.socket.write(head(asked))
  asked.socket.write(body(asked))
}

/** A whole answer, behind which the server hangs up. */
function last(asked: Asked, ...pieces: readonly (string | Buffer)[]): void {
  for (const piece of pieces) asked.socket.write(piece)
  asked.socket.end()
}

async function slowly(asked: Asked, text: string): Promise<void> {
  for (let at = 0; at < text.length; at += 7) {
    asked.socket.write(text.slice(at, at + 7))
    await wait(1)
  }
  asked.socket.write(body(asked))
}

function chunked(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n0\r\n\r\n')])
}

/** The answer to the second request, which is the first for the bytes wanted; the others are answered well. */
interface Row {
  readonly what: string
  readonly answer: (asked: Asked) => unknown
  /** It is answered so every time. */
  readonly always?: boolean
  /** Absent: the right bytes. */
  readonly code?: ProblemCode
}

const rows: readonly Row[] = [
  { what: 'a good one', answer: well },
  { what: 'a reset before the head', answer: ({ socket }) => socket.resetAndDestroy() },
  { what: 'a reset before the head, always', answer: ({ socket }) => socket.resetAndDestroy(), always: true, code: 'unavailable' },
  { what: 'an end before the head', answer: ({ socket }) => socket.end() },
  { what: 'half a head', answer: (asked) => last(asked, head(asked).slice(0, 40)) },
  { what: 'a head and no body', answer: (asked) => last(asked, head(asked)) },
  {
    what: 'a reset in the body',
    answer: (asked) =>
      asked.socket.write(Buffer.concat([Buffer.from(head(asked)), body(asked).subarray(0, 5000)]), () => asked.socket.resetAndDestroy()),
  },
  { what: 'a body that is too short', answer: (asked) => last(asked, head(asked), body(asked).subarray(0, 50_000)) },
  { what: 'a body that is too long', answer: (asked) => last(asked, head(asked), body(asked), 'more than was said') },
  {
    what: 'bytes behind the body, on a connection that stays',
    answer: (asked) => [head(asked), body(asked), 'HTTP/1.1 500 Late\r\n\r\n'].map((piece) => asked.socket.write(piece)),
  },
  { what: 'a head in many packets', answer: (asked) => slowly(asked, head(asked)) },
  {
    what: 'a head and the first bytes in one packet',
    answer: (asked) => asked.socket.write(Buffer.concat([Buffer.from(head(asked)), body(asked)])),
  },
  { what: 'a head without a reason', answer: (asked) => last(asked, head(asked, {}, 'HTTP/1.1 206'), body(asked)) },
  { what: 'a head of 12 KB', answer: (asked) => last(asked, head(asked, { 'X-Long': 'x'.repeat(12_000) }), body(asked)) },
  {
    what: 'a head of 200 KB',
    answer: (asked) => last(asked, head(asked, { 'X-Long': 'x'.repeat(200_000) }), body(asked)),
    always: true,
    code: 'unavailable',
  },
  {
    what: 'a head that does not end',
    answer: (asked) => last(asked, 'HTTP/1.1 206 OK\r\nX: ', 'x'.repeat(100_000)),
    always: true,
    code: 'unavailable',
  },
  {
    what: 'a line that is no header',
    answer: (asked) => last(asked, head(asked).replace('ETag', 'no header\r\nETag'), body(asked)),
    always: true,
    code: 'unavailable',
  },
  { what: 'what is no HTTP', answer: (asked) => last(asked, 'SSH-2.0-OpenSSH_9.2\r\n'), always: true, code: 'unavailable' },
  { what: 'HTTP/1.0', answer: (asked) => last(asked, head(asked, {}, 'HTTP/1.0 206 Partial Content'), body(asked)) },
  { what: 'a connection that closes', answer: (asked) => last(asked, head(asked, { Connection: 'close' }), body(asked)) },
  {
    what: 'a body in chunks',
    answer: (asked) =>
      asked.socket.write(
        Buffer.concat([Buffer.from(head(asked, { 'Content-Length': undefined, 'Transfer-Encoding': 'chunked' })), chunked(body(asked))]),
      ),
  },
  {
    what: 'a body until the end of the connection',
    answer: (asked) => last(asked, head(asked, { 'Content-Length': undefined, Connection: 'close' }), body(asked)),
  },
  {
    what: 'an early hint before the answer',
    answer: (asked) => last(asked, 'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n', head(asked), body(asked)),
  },
  { what: 'less than asked, said so', answer: (asked) => well({ ...asked, last: asked.first + 9999 }) },
  { what: 'another range', answer: (asked) => well({ ...asked, first: asked.first - 1 }), code: 'store-protocol' },
  { what: 'more than asked', answer: (asked) => well({ ...asked, last: asked.last + 1 }), code: 'store-protocol' },
  { what: 'no range', answer: (asked) => last(asked, head(asked, { 'Content-Range': undefined }), body(asked)), code: 'store-protocol' },
  {
    what: 'a range that is none',
    answer: (asked) => last(asked, head(asked, { 'Content-Range': 'bytes 5-' }), body(asked)),
    code: 'store-protocol',
  },
  {
    what: '200 and everything',
    answer: (asked) =>
      last(asked, head(asked, { 'Content-Range': undefined, 'Content-Length': content.length }, 'HTTP/1.1 200 OK'), content),
    always: true,
    code: 'store-protocol',
  },
  {
    what: 'a redirect',
    answer: (asked) => last(asked, 'HTTP/1.1 307 Elsewhere\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n'),
    always: true,
    code: 'store-protocol',
  },
  {
    what: 'a compressed body',
    answer: (asked) => last(asked, head(asked, { 'Content-Encoding': 'gzip' }), body(asked)),
    code: 'store-protocol',
  },
  { what: '500', answer: (asked) => last(asked, 'HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n') },
  { what: '403, once', answer: (asked) => last(asked, 'HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n') },
  {
    what: '403, always',
    answer: (asked) => last(asked, 'HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n'),
    always: true,
    code: 'access-denied',
  },
  { what: '404', answer: (asked) => last(asked, 'HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n'), always: true, code: 'object-not-found' },
  { what: 'another ETag', answer: (asked) => last(asked, head(asked, { ETag: '"two"' }), body(asked)), code: 'object-changed' },
  { what: 'silence', answer: () => undefined },
  { what: 'silence, always', answer: () => undefined, always: true, code: 'unavailable' },
  { what: 'silence behind the head', answer: (asked) => asked.socket.write(head(asked)) },
  {
    what: 'silence in the body',
    answer: (asked) => asked.socket.write(Buffer.concat([Buffer.from(head(asked)), body(asked).subarray(0, 7777)])),
  },
]

interface RawServer {
  readonly url: string
  readonly asked: Asked[]
  /** In place of {@link well}. */
  answer: (asked: Asked) => unknown
  /** Hangs up on whoever is silent. */
  hangUp(): Promise<void>
  close(): Promise<void>
}

/** A store that writes its answers byte by byte. */
async function startRawServer(): Promise<RawServer> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined)
    let text = ''
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1')
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        const [, from, to] = /^range: bytes=(\d+)-(\d+)$/im.exec(text.slice(0, end)) ?? []
        text = text.slice(end + 4)
        const asked = { socket, first: Number(from), last: Math.min(Number(to), content.length - 1), number: state.asked.length }
        state.asked.push(asked)
        state.answer(asked)
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const state: RawServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/o/x?X-Amz-Signature=secret`,
    asked: [],
    answer: well,
    async hangUp() {
      await Promise.all([...sockets].map((socket) => once(socket.end(), 'close')))
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
  return state
}

suite('answers of a store, byte by byte', (test) => {
  let server: RawServer
  test.beforeEach(async () => {
    server = await startRawServer()
  })
  test.afterEach(() => server.close())

  const opener = () =>
    createObjectOpener({
      api: { objectUrl: async () => ({ url: server.url, expiresAt: new Date(Date.now() + 3_600_000) }) as never },
      retry: { attempts: 4, baseDelayMs: 1, maximumDelayMs: 5 },
      stallSeconds: 0.5,
    })

  /** The two ways to the bytes: a mount's, and that of all others. */
  const ways = {
    poured: async (source: Awaited<ReturnType<ReturnType<typeof opener>['open']>>): Promise<Buffer> => {
      const pieces: Buffer[] = []
      await source.pour?.(range, (piece) => void pieces.push(Buffer.from(piece)))
      return Buffer.concat(pieces)
    },
    streamed: async (source: Awaited<ReturnType<ReturnType<typeof opener>['open']>>): Promise<Buffer> =>
      Buffer.from(await readBytes(source, range)),
  }

  for (const [way, read] of Object.entries(ways)) {
    for (const { what, answer, always = false, code } of rows) {
      test(`${way}: ${what}: ${code ?? 'the right bytes'}`, async () => {
        server.answer = (asked) => (asked.number === 1 || (always && asked.number > 0) ? answer(asked) : well(asked))
        const objects = opener()
        const source = await objects.open('x')
        try {
          assert.is(await source.size(), content.length)
          const outcome = await read(source).catch((error: unknown) => error as ScoreError)
          if (Buffer.isBuffer(outcome)) {
            assert.is(code, undefined)
            assert.ok(outcome.equals(content.subarray(range.start, range.end)), 'other bytes')
          } else {
            if (!isScoreError(outcome)) throw outcome
            assert.is(outcome.code, code, outcome.message)
            assert.not.match(outcome.message, /secret/)
          }
          // What was odd about a connection does not hurt the next read.
          if (!always) assert.ok((await read(source)).equals(content.subarray(range.start, range.end)), 'other bytes at the next read')
        } finally {
          await source.close()
          await objects.close()
        }
      })
    }

    test(`${way}: a store that hangs up between requests costs no try`, async () => {
      const retries: unknown[] = []
      const objects = createObjectOpener({
        api: { objectUrl: async () => ({ url: server.url, expiresAt: new Date(Date.now() + 3_600_000) }) as never },
        onRetry: (notice) => retries.push(notice),
      })
      const source = await objects.open('x')
      for (let reads = 0; reads < 3; reads += 1) {
        assert.ok((await read(source)).equals(content.subarray(range.start, range.end)))
        await server.hangUp()
      }
      assert.equal(retries, [])
      await source.close()
      await objects.close()
    })
  }

  test('poured: what came before a break is not asked for again', async () => {
    const half = rows.find(({ what }) => what === 'a body that is too short')
    server.answer = (asked) => (asked.number === 1 ? half?.answer(asked) : well(asked))
    const objects = opener()
    const source = await objects.open('x')
    await ways.poured(source)
    assert.equal(
      server.asked.slice(1).map(({ first }) => first),
      [range.start, range.start + 50_000],
    )
    await source.close()
    await objects.close()
  })
})
