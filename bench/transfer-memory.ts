import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startLocalStore } from './local-store.ts'

/**
 * Peak memory of the built transport for a file far larger than memory: a sparse file of 20 GiB in parts of 256 MiB over 16
 * connections, up to a store that throws it away and down into one window of a file. `npm run bench:memory [-- GiB]`.
 * Fails above 200 MiB.
 */
const mib = 1024 * 1024
const limitMib = 200
const size = Number(process.argv[2] ?? 20) * 1024 * mib
const partSize = 256 * mib
const connections = 16
const entry = process.argv[3] ?? join(import.meta.dirname, '../dist/index.js')

interface Outcome {
  readonly rssMib: number
  readonly loopDelayP99Ms: number
}

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

async function run(direction: 'upload' | 'download', url: string, path: string): Promise<Outcome> {
  const job = { package: entry, direction, size, partSize, connections, url, path }
  const program = join(import.meta.dirname, 'memory-product.mjs')
  const { stdout } = await promisify(execFile)(process.execPath, [program, JSON.stringify(job)])
  const outcome = JSON.parse(stdout) as Outcome
  const verdict = outcome.rssMib <= limitMib ? 'ok' : 'TOO MUCH'
  console.log(
    `${direction} of ${size / 1024 / mib} GiB: ${outcome.rssMib.toFixed(0)} MiB at the peak (at most ${limitMib}: ${verdict}), loop delay p99 ${outcome.loopDelayP99Ms.toFixed(1)} ms`,
  )
  return outcome
}

const folder = mkdtempSync(join(tmpdir(), 'score-memory-'))
const store = await startLocalStore(join(folder, 'store'))
const sink = await startSink()
try {
  const source = join(store.root, 'object.bin')
  writeFileSync(source, '')
  truncateSync(source, size)
  const up = await run('upload', `${sink.url}/up`, source)
  const down = await run('download', `${store.url}/object.bin`, join(folder, 'window'))
  if (Math.max(up.rssMib, down.rssMib) > limitMib) process.exitCode = 1
} finally {
  sink.close()
  await store.close()
  rmSync(folder, { recursive: true })
}
