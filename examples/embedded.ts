/**
 * All of Score inside one program: registers, uploads, publishes and downloads a file. Leave is asked for in process; only
 * the bytes go through a port of this machine. In a project of your own: `score-sdk` and `score-sdk/server`.
 *
 * Run it: `npx tsx examples/embedded.ts DATA_FOLDER FILE COPY`
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createScoreServer } from '../adapters/server/index.ts'
import { createPartTransport, createTransferEngine, openEmbeddedScore, registerFiles } from '../src/index.ts'

const [dataDir = 'score-data', path = 'README.md', copy = 'README-copy.md'] = process.argv.slice(2)
const server = createScoreServer((publicUrl) => openEmbeddedScore({ dataDir, publicUrl }), { port: 0 })
const { score } = await server.listen()
const transport = createPartTransport()
const engine = createTransferEngine({ api: score.api(), transport })

const bytes = await readFile(path)
const md5 = createHash('md5').update(bytes).digest('hex')
const { analysisId, files } = await registerFiles({ registry: score.catalogue, study: 'DEMO', files: [{ path, size: bytes.length, md5 }] })
for (const { objectId } of files) {
  console.log(await engine.upload({ objectId, from: { path }, md5 }))
  await score.catalogue.publish('DEMO', analysisId)
  console.log(await engine.download({ objectId, path: copy }))
}

await transport.close()
await server.close()
await score.close()
