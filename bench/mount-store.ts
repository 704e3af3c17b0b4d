/**
 * A store of made-up bytes and of a folder's files, for the bench of mounts: `mount-store.ts DELAY-MS FOLDER [MB-PER-S]`.
 *
 * Each answer begins after the delay. With a rate no connection gives more than that: a delay on loopback costs once a request,
 * while a real one of as long a way also bounds what a connection carries, as object stores do.
 */
import { createReadStream, readdirSync, statSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'

const [delay = '0', folder = '.', rate] = process.argv.slice(2)
const delayMs = Number(delay)
const bytesPerMs = rate === undefined ? Number.POSITIVE_INFINITY : Number(rate) * 1000
const patternBytes = 64 * 1024 * 1024
const pattern = Buffer.allocUnsafe(patternBytes)
for (let at = 0, state = 1; at < patternBytes; at += 4) {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
  pattern.writeUInt32LE(state, at)
}

/** `made-3-2147483648` has 2 GiB. */
function sizeOf(name: string): number {
  const made = /^made-\d+-(\d+)$/.exec(name)
  return made ? Number(made[1]) : statSync(join(folder, name)).size
}

const names = [...Array.from({ length: 16 }, (_, index) => `made-${index}-${2 ** 31}`), ...readdirSync(folder)]
const counts = { requests: 0, bytes: 0 }

/** When a connection may send again, ms. */
const freeAt = new WeakMap<Socket, number>()
/** Timers are late; what was missed is made up for, up to this. */
const slackMs = 10

async function pace(socket: Socket | null, bytes: number): Promise<void> {
  if (socket === null || bytesPerMs === Number.POSITIVE_INFINITY) return
  const now = performance.now()
  const at = Math.max(now - slackMs, freeAt.get(socket) ?? now)
  freeAt.set(socket, at + bytes / bytesPerMs)
  if (at - now >= 1) await wait(at - now)
}

const pieceBytes = bytesPerMs === Number.POSITIVE_INFINITY ? 1024 * 1024 : 256 * 1024

function* patternPieces(start: number, end: number): Generator<Buffer> {
  for (let at = start; at < end; ) {
    const place = at % patternBytes
    const piece = pattern.subarray(place, Math.min(place + pieceBytes, patternBytes, place + end - at))
    at += piece.length
    yield piece
  }
}

async function send(response: ServerResponse, pieces: Iterable<Buffer> | AsyncIterable<Buffer>): Promise<void> {
  for await (const piece of pieces) {
    await pace(response.socket, piece.length)
    counts.bytes += piece.length
    if (!response.write(piece)) await new Promise<void>((resolve) => response.once('drain', resolve))
    if (response.destroyed) return
  }
  response.end()
}

const server = createServer({ keepAliveTimeout: 60_000 }, async (request, response) => {
  // Whoever goes away early must not leave a sender waiting.
  response.on('close', () => response.emit('drain'))
  const name = decodeURIComponent((request.url ?? '/').slice(1).split('?')[0] ?? '')
  if (name === '.counts') {
    response.end(JSON.stringify(counts))
    counts.requests = 0
    counts.bytes = 0
    return
  }
  counts.requests += 1
  if (delayMs > 0) await wait(delayMs)
  if (name === '') {
    response.setHeader('content-type', 'text/html')
    return void response.end(names.map((one) => `<a href="${one}">${one}</a>`).join('\n'))
  }
  if (!names.includes(name)) return void response.writeHead(404).end()
  const size = sizeOf(name)
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? []
  const start = Number(first ?? 0)
  const end = Math.min(size, last ? Number(last) + 1 : size)
  const whole = first === undefined
  response.writeHead(whole ? 200 : 206, {
    'content-length': end - start,
    'accept-ranges': 'bytes',
    etag: `"${name}"`,
    'last-modified': 'Mon, 01 Jan 2024 00:00:00 GMT',
    ...(whole ? {} : { 'content-range': `bytes ${start}-${end - 1}/${size}` }),
  })
  if (request.method === 'HEAD') return void response.end()
  if (name.startsWith('made-')) return send(response, patternPieces(start, end))
  return send(response, createReadStream(join(folder, name), { start, end: end - 1, highWaterMark: pieceBytes }))
})
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port))
process.stdin.on('end', () => process.exit(0)).resume()
