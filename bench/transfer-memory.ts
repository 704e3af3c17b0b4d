import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { createPartTransport as Create } from '../src/transfer/transport/create-part-transport.ts'
import { startLocalStore } from './local-store.ts'

/**
 * Peak memory of the transport for a file far larger than memory: a sparse file of 20 GiB in parts of 256 MiB over 16
 * connections, up to a store that throws it away and down into one window of a file. `node --import tsx
 * bench/transfer-memory.ts [GiB] [built package]` after `npm run build:js`. Fails above 200 MiB.
 */
const mib = 1024 * 1024
const limitMib = 200
const size = Number(process.argv[2] ?? 20) * 1024 * mib
const partSize = 256 * mib
const connections = 16

const sinkSource = `
import { createServer } from 'node:http'
createServer((request, response) => {
  request.resume()
  request.on('end', () => response.writeHead(200).end())
}).listen(0, '127.0.0.1', function () { console.log(this.address().port) })
`

async function startSink(): Promise<{ readonly url: string; close(): void }> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', sinkSource], { stdio: ['ignore', 'pipe', 'inherit'] })
  const port = await new Promise<string>((resolve) => child.stdout.once('data', (data: Buffer) => resolve(String(data).trim())))
  return { url: `http://127.0.0.1:${port}`, close: () => void child.kill() }
}

async function moveAll(move: (start: number, end: number) => Promise<unknown>): Promise<void> {
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < size) {
      const start = next
      next += partSize
      await move(start, Math.min(size, start + partSize))
    }
  }
  await Promise.all(Array.from({ length: connections }, lane))
}

function peakMib(): number {
  return process.resourceUsage().maxRSS / 1024
}

const folder = mkdtempSync(join(tmpdir(), 'score-memory-'))
const store = await startLocalStore(join(folder, 'store'))
const sink = await startSink()
const built = process.argv[3] ?? join(import.meta.dirname, '../dist/index.js')
const { createPartTransport } = (await import(built)) as { readonly createPartTransport: typeof Create }
const transport = createPartTransport({ connections })
try {
  const source = join(store.root, 'object.bin')
  const target = join(folder, 'window')
  for (const [path, length] of [
    [source, size],
    [target, partSize],
  ] as const) {
    writeFileSync(path, '')
    truncateSync(path, length)
  }
  const rows: string[] = [`before: ${peakMib().toFixed(0)} MiB`]
  await moveAll((start, end) => transport.sendPart({ url: `${sink.url}/up/${start}`, from: { path: source }, range: { start, end } }))
  rows.push(`after the upload of ${size / 1024 / mib} GiB: ${peakMib().toFixed(0)} MiB`)
  await moveAll((start, end) =>
    transport.fetchPart({ url: `${store.url}/object.bin`, range: { start, end }, objectSize: size, path: target, position: 0 }),
  )
  rows.push(`after the download of ${size / 1024 / mib} GiB: ${peakMib().toFixed(0)} MiB`)
  console.log(rows.join('\n'))
  if (peakMib() > limitMib) throw new Error(`more than ${limitMib} MiB`)
} finally {
  await transport.close()
  sink.close()
  await store.close()
  rmSync(folder, { recursive: true })
}
