import { readFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'

/**
 * The product as a program of its own, for `bench/transfer.ts`: one transfer through the engine, from the built package.
 * Takes a JSON job as its argument and prints what it did as JSON. The service is a double that hands out plain URLs.
 */
const job = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const { createPartTransport, createTransferEngine, ScoreError } = await import(job.package)

const spec = {
  objectId: job.objectId,
  objectKey: `data/${job.objectId}`,
  uploadId: job.objectId,
  size: job.size,
  md5: job.md5,
  parts: job.parts,
}
const registered = new Set()
const api = {
  downloadSpec: async () => spec,
  describeObject: async () => spec,
  objectExists: async () => false,
  resumeUpload: async () => {
    throw new ScoreError('upload-not-found', 'no upload is in progress')
  },
  openUpload: async () => ({ ...spec, parts: spec.parts.map(({ number, range, url }) => ({ number, range, url })) }),
  finalizePart: async (_upload, receipt) => {
    if (receipt.md5 !== spec.parts[receipt.number - 1].md5) throw new Error(`part ${receipt.number} was sent with other bytes`)
    registered.add(receipt.number)
  },
  finalizeUpload: async () => {
    if (registered.size !== spec.parts.length) throw new Error('not all parts were registered')
  },
  profile: async () => 's3',
}

const loop = monitorEventLoopDelay({ resolution: 1 })
const transport = createPartTransport(job.transport)
const engine = createTransferEngine({ api, transport, journalDir: job.stateDir })
loop.enable()
const started = performance.now()
const receipt =
  job.direction === 'download'
    ? await engine.download(
        { objectId: job.objectId, path: job.path, verify: job.verify, overwrite: true },
        { concurrency: job.concurrency },
      )
    : await engine.upload({ objectId: job.objectId, from: { path: job.path }, md5: job.md5 }, { concurrency: job.concurrency })
const seconds = (performance.now() - started) / 1000
loop.disable()
await engine.close()
await transport.close()
const { maxRSS } = process.resourceUsage()
process.stdout.write(
  JSON.stringify({
    seconds,
    partsMoved: receipt.partsMoved,
    verified: receipt.verified,
    rssMib: maxRSS / 1024,
    loopDelayP99Ms: loop.percentile(99) / 1e6,
  }),
)
