/**
 * Serves the files of a folder over HTTP with ranges, each answer late: `node --import tsx bench/latency-server.ts FOLDER MILLISECONDS`.
 * Prints its port once it listens, and ends with its standard input.
 */
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const [folder = '.', delay = '20'] = process.argv.slice(2)

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = join(folder, basename(request.url ?? ''))
  await sleep(Number(delay))
  const found = await stat(path).catch(() => undefined)
  if (!found) {
    response.writeHead(404).end()
    return
  }
  const asked = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')
  const start = Number(asked?.[1] ?? 0)
  const end = Math.min(found.size - 1, asked?.[2] ? Number(asked[2]) : found.size - 1)
  response.writeHead(asked ? 206 : 200, {
    'content-length': end - start + 1,
    'accept-ranges': 'bytes',
    etag: `"${found.size}-${found.mtimeMs}"`,
    ...(asked && { 'content-range': `bytes ${start}-${end}/${found.size}` }),
  })
  if (request.method === 'HEAD') response.end()
  else createReadStream(path, { start, end, highWaterMark: 1024 * 1024 }).pipe(response)
}

const server = createServer((request, response) => void answer(request, response))
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port))
process.stdin.on('end', () => process.exit(0)).resume()
