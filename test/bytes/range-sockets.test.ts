import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import * as assert from 'uvu/assert'
import { createRangeSockets, type RangeSockets } from '../../src/bytes/range-sockets.ts'
import { isScoreError } from '../../src/core/errors.ts'
import { suite } from '../support/suite.ts'

const body = Buffer.alloc(700_000)
for (let at = 0; at < body.length; at += 1) body[at] = (at * 7 + (at >> 8)) & 0xff
const head = `HTTP/1.1 206 Partial Content\r\nContent-Length: ${body.length}\r\nContent-Range: bytes 0-${body.length - 1}/${body.length}\r\n\r\n`

interface Store {
  readonly url: string
  readonly connections: () => number
  close(): Promise<void>
}

/** Speaks bytes: what `answer` writes is all that the client sees. */
async function startStore(server: Server, scheme: string, answer: (socket: Socket, request: number) => void): Promise<Store> {
  const sockets = new Set<Socket>()
  let connections = 0
  server.on(scheme === 'https' ? 'secureConnection' : 'connection', (socket: Socket) => {
    connections += 1
    sockets.add(socket)
    let requests = 0
    socket.on('error', () => undefined)
    socket.on('data', (text) => {
      for (const _ of text.toString('latin1').matchAll(/\r\n\r\n/g)) answer(socket, requests++)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}/o`,
    connections: () => connections,
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

interface Taken {
  readonly memory: Buffer
  /** Bytes that were put there by the socket itself. */
  placed: number
  count: number
}

/** Reads the body, with memory for it in pieces of `pieceBytes`. */
async function readInto(sockets: RangeSockets, url: string, pieceBytes: number, signal = new AbortController().signal): Promise<Taken> {
  const taken: Taken = { memory: Buffer.alloc(body.length), placed: 0, count: 0 }
  const plain = await sockets.read({
    url,
    headers: { range: `bytes=0-${body.length - 1}` },
    stallSeconds: 60,
    signal,
    onHead: () => undefined,
    space: () => taken.memory.subarray(taken.count, taken.count + pieceBytes),
    take(piece) {
      const target = taken.memory.subarray(taken.count, taken.count + piece.length)
      if (piece.buffer === target.buffer && piece.byteOffset === target.byteOffset) taken.placed += piece.length
      else target.set(piece)
      taken.count += piece.length
    },
  })
  assert.ok(plain)
  return taken
}

suite('bytes/range-sockets', (test) => {
  let folder = ''
  test.before(() => {
    folder = mkdtempSync(join(tmpdir(), 'score-sockets-'))
    const names = ['-keyout', join(folder, 'key'), '-out', join(folder, 'cert'), '-addext', 'subjectAltName=IP:127.0.0.1']
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-subj', '/CN=store', ...names], {
      stdio: 'ignore',
    })
  })
  test.after(() => rmSync(folder, { recursive: true, force: true }))

  for (const scheme of ['http', 'https'] as const) {
    for (const pieceBytes of [1000, 65_536, body.length]) {
      test(`${scheme}: a body is read right into memory for ${pieceBytes} bytes at a time, and its connection serves again`, async () => {
        const [key, cert] = ['key', 'cert'].map((name) => readFileSync(join(folder, name)))
        const server = scheme === 'https' ? createTlsServer({ key, cert }) : createServer()
        const store = await startStore(server, scheme, (socket) => void socket.write(Buffer.concat([Buffer.from(head), body])))
        const sockets = createRangeSockets({ idle: 2, network: { ca: String(cert) } })
        for (let round = 0; round < 3; round += 1) {
          const { memory, placed, count } = await readInto(sockets, store.url, pieceBytes)
          assert.is(count, body.length)
          assert.ok(memory.equals(body))
          assert.ok(placed >= body.length - 16 * 1024, `${placed} bytes were not copied`)
        }
        assert.is(store.connections(), 1)
        sockets.close()
        await store.close()
      })
    }
  }

  test('a head and a body that come byte by byte', async () => {
    const store = await startStore(createServer(), 'http', async (socket) => {
      for (const byte of head) {
        socket.write(byte)
        await new Promise(setImmediate)
      }
      socket.write(body.subarray(0, 3))
      await new Promise(setImmediate)
      socket.write(body.subarray(3))
    })
    const sockets = createRangeSockets({ idle: 1 })
    const { memory } = await readInto(sockets, store.url, 65_536)
    assert.ok(memory.equals(body))
    sockets.close()
    await store.close()
  })

  test('more than was told lies in no memory, and is not taken for the next answer', async () => {
    const store = await startStore(createServer(), 'http', (socket) => {
      socket.write(Buffer.concat([Buffer.from(head), body, Buffer.from('and more')]))
    })
    const sockets = createRangeSockets({ idle: 1 })
    const memory = Buffer.alloc(body.length + 100)
    let count = 0
    const stop = new AbortController()
    const take = (piece: Uint8Array): void => {
      if (piece.buffer !== memory.buffer) memory.set(piece, count)
      count += piece.length
    }
    const request = { url: store.url, headers: {}, stallSeconds: 60, signal: stop.signal, onHead: () => undefined, take }
    assert.ok(await sockets.read({ ...request, space: () => memory.subarray(count) }))
    assert.ok(memory.equals(Buffer.concat([body, Buffer.alloc(100)])))
    count = 0
    // On the same connection it is no answer, and on a new one the answer is right.
    if (await sockets.read(request)) assert.is(count, body.length)
    else assert.is(count, 0)
    sockets.close()
    await store.close()
  })

  test('a connection that was closed while it was kept costs a new one, and no error', async () => {
    const store = await startStore(createServer(), 'http', (socket, request) => {
      if (request > 0) socket.destroy()
      else socket.write(Buffer.concat([Buffer.from(head), body]))
    })
    const sockets = createRangeSockets({ idle: 1 })
    for (let round = 0; round < 2; round += 1) assert.ok((await readInto(sockets, store.url, 65_536)).memory.equals(body))
    assert.is(store.connections(), 2)
    sockets.close()
    await store.close()
  })

  test('one that is given up writes no more to the memory that it was shown', async () => {
    let more = (): void => undefined
    const store = await startStore(createServer(), 'http', (socket) => {
      socket.write(Buffer.concat([Buffer.from(head), body.subarray(0, 100_000)]))
      more = () => void socket.write(body.subarray(100_000))
    })
    const sockets = createRangeSockets({ idle: 1 })
    const stop = new AbortController()
    const memory = Buffer.alloc(body.length)
    let count = 0
    const read = sockets.read({
      url: store.url,
      headers: {},
      stallSeconds: 60,
      signal: stop.signal,
      onHead: () => undefined,
      space: () => memory.subarray(count),
      take(piece) {
        if (piece.buffer !== memory.buffer) memory.set(piece, count)
        count += piece.length
        if (count < 100_000) return
        stop.abort(new Error('enough'))
        memory.fill(0)
        more()
      },
    })
    assert.match(String(await read.catch((error: unknown) => error)), /enough/)
    for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate)
    assert.ok(memory.equals(Buffer.alloc(body.length)))
    sockets.close()
    await store.close()
  })

  test('a connection that breaks in the midst is unavailable; an answer that is not plain is left to others', async () => {
    const answers = [
      `${head}some`,
      'HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n',
      'HTTP/1.1 206 P\r\nTransfer-Encoding: chunked\r\n\r\n',
    ]
    const results: unknown[] = []
    for (const answer of answers) {
      const store = await startStore(createServer(), 'http', (socket) => void socket.end(answer))
      const sockets = createRangeSockets({ idle: 1 })
      const take = (): void => undefined
      const request = { url: store.url, headers: {}, stallSeconds: 60, signal: new AbortController().signal, onHead: take, take }
      results.push(await sockets.read(request).catch((error: unknown) => (isScoreError(error) ? error.code : error)))
      sockets.close()
      await store.close()
    }
    assert.equal(results, ['unavailable', false, false])
  })
})
