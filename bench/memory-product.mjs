import { truncateSync, writeFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'

/**
 * The transport as a program of its own, for `bench/transfer-memory.ts`: parts of a large file up or down, from the built
 * package. Downloads go into one window of a file, so that the disk does not count. Prints what it took as JSON.
 */
const { package: entry, direction, size, partSize, connections, url, path } = JSON.parse(process.argv[2])
const { createPartTransport } = await import(entry)
const transport = createPartTransport({ connections })
const loop = monitorEventLoopDelay({ resolution: 1 })

function move(start, end) {
  const range = { start, end }
  if (direction === 'upload') return transport.sendPart({ url: `${url}/${start}`, from: { path }, range })
  return transport.fetchPart({ url, range, objectSize: size, path, position: 0 })
}

if (direction === 'download') {
  writeFileSync(path, '')
  truncateSync(path, partSize)
}
let next = 0
async function lane() {
  while (next < size) {
    const start = next
    next += partSize
    await move(start, Math.min(size, start + partSize))
  }
}
loop.enable()
await Promise.all(Array.from({ length: connections }, lane))
loop.disable()
await transport.close()
process.stdout.write(JSON.stringify({ rssMib: process.resourceUsage().maxRSS / 1024, loopDelayP99Ms: loop.percentile(99) / 1e6 }))
