import { readFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'

/**
 * The product as a program of its own, for `bench/transfer.ts`: one transfer from the built package. Takes a JSON job as its
 * argument and prints what it did as JSON. The service is a double that hands out plain URLs. An upload through the engine
 * always proves the whole file's MD5; `verify: 'parts'` sends its parts through the transport alone.
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

async function register(part, md5) {
  if (md5 !== part.md5) throw new Error(`part ${part.number} was sent with other bytes`)
  registered.add(part.number)
}

const api = {
  downloadSpec: async () => spec,
  describeObject: async () => spec,
  objectExists: async () => false,
  resumeUpload: async () => {
    throw new ScoreError('upload-not-found', 'no upload is in progress')
  },
  openUpload: async () => ({ ...spec, parts: spec.parts.map(({ number, range, url }) => ({ number, range, url })) }),
  finalizePart: (_upload, receipt) => register(spec.parts[receipt.number - 1], receipt.md5),
  finalizeUpload: async () => {
    if (registered.size !== spec.parts.length) throw new Error('not all parts were registered')
  },
  profile: async () => 's3',
}

async function sendParts(transport) {
  const rest = [...spec.parts]
  const lane = async () => {
    for (let part = rest.shift(); part; part = rest.shift()) {
      const { md5 } = await transport.sendPart({ url: part.url, from: { path: job.path }, range: part.range })
      await register(part, md5)
    }
  }
  await Promise.all(Array.from({ length: job.connections }, lane))
  return { partsMoved: registered.size, verified: 'parts' }
}

async function move(transport) {
  if (job.direction === 'upload' && job.verify === 'parts') return sendParts(transport)
  const { objectId, path, verify, md5 } = job
  const engine = createTransferEngine({ api, transport, journalDir: job.stateDir })
  const wishes = { concurrency: job.connections }
  try {
    if (job.direction === 'download') return await engine.download({ objectId, path, verify, overwrite: true }, wishes)
    return await engine.upload({ objectId, from: { path }, md5 }, wishes)
  } finally {
    await engine.close()
  }
}

const loop = monitorEventLoopDelay({ resolution: 1 })
const transport = createPartTransport(job.transport)
loop.enable()
const receipt = await move(transport)
loop.disable()
await transport.close()
process.stdout.write(
  JSON.stringify({
    partsMoved: receipt.partsMoved,
    verified: receipt.verified,
    rssMib: process.resourceUsage().maxRSS / 1024,
    loopDelayP99Ms: loop.percentile(99) / 1e6,
  }),
)
