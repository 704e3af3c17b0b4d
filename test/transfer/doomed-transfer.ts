import { createTransferEngine } from '../../src/transfer/transfer-engine.ts'
import { createPartTransport } from '../../src/transfer/transport/create-part-transport.ts'
import { remoteScore } from './score-double.ts'

/** One transfer in a process of its own, to be killed. Usage: direction, service, object id, path, MD5, connections. */
const [direction, rpcUrl = '', objectId = '', path = '', md5 = '', concurrency = '4'] = process.argv.slice(2)
const engine = createTransferEngine({
  api: remoteScore(rpcUrl),
  transport: createPartTransport({ workers: 0 }),
  commit: { parts: 3, bytes: 1e9, ms: 20 },
})
const options = { concurrency: Number(concurrency) }
if (direction === 'upload') await engine.upload({ objectId, from: { path }, md5 }, options)
else await engine.download({ objectId, path }, options)
await engine.close()
