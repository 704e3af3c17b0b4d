// A Song that knows one object, for bench/server-behind.ts: answers at once, and counts.
import { createServer } from 'node:http'

const { objectId, analysisId, study } = JSON.parse(process.argv[2])
const file = { objectId, analysisId, studyId: study, fileName: 'bench.bin', fileSize: 1, fileType: 'BIN', fileAccess: 'controlled' }
const answers = {
  [`/entities/${objectId}`]: { id: objectId, gnosId: analysisId, fileName: 'bench.bin', projectCode: study, access: 'controlled' },
  [`/studies/${study}/analysis/${analysisId}`]: {
    analysisId,
    studyId: study,
    analysisState: 'PUBLISHED',
    analysisType: { name: 'fileSet', version: 1 },
    files: [file],
  },
}
const bodies = new Map(Object.entries(answers).map(([path, value]) => [path, JSON.stringify(value)]))
let calls = 0

const server = createServer((request, response) => {
  calls++
  const body = bodies.get(request.url.split('?', 1)[0])
  response.writeHead(body === undefined ? 404 : 200, { 'content-type': 'application/json' }).end(body ?? '{}')
})
server.keepAliveTimeout = 60_000
process.on('message', () => process.send(calls))
process.on('disconnect', () => process.exit(0))
process.once('SIGTERM', () => process.exit(0))
server.listen(0, '127.0.0.1', () => process.send({ url: `http://127.0.0.1:${server.address().port}` }))
