// One server for the benches of the server, from the built package: the whole score on a folder, as settings say, or one bare Koa route.
import { createHash } from 'node:crypto'
import Koa from 'koa'
import { openEmbeddedScore, openScore, readServerConfig } from '../dist/index.js'
import { createScoreServer } from '../dist/server.js'

const [mode, value] = process.argv.slice(2)

async function publishObject(score, parts) {
  const bytes = Buffer.alloc(parts * 1000, 'x')
  const md5 = createHash('md5').update(bytes).digest('hex')
  await score.catalogue.ensureStudy('BENCH')
  const file = { fileName: 'bench.bin', fileSize: bytes.length, fileMd5sum: md5, fileType: 'BIN', fileAccess: 'controlled', dataType: 'x' }
  const payload = { studyId: 'BENCH', analysisType: { name: 'fileSet' }, files: [file] }
  const { analysisId } = await score.catalogue.submit('BENCH', payload)
  const [{ objectId }] = await score.catalogue.files('BENCH', analysisId)
  const api = score.api()
  const spec = await api.openUpload({ objectId, size: bytes.length, md5, overwrite: false })
  for (const part of spec.parts) {
    const body = bytes.subarray(part.range.start, part.range.end)
    const put = await fetch(part.url, { method: 'PUT', body })
    const receipt = {
      number: part.number,
      md5: createHash('md5').update(body).digest('hex'),
      etag: put.headers.get('etag').replaceAll('"', ''),
    }
    await api.finalizePart({ objectId, uploadId: spec.uploadId }, receipt)
  }
  await api.finalizeUpload({ objectId, uploadId: spec.uploadId })
  await score.catalogue.publish('BENCH', analysisId)
  return objectId
}

process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send(user + system)
})

if (mode === 'score') {
  const { folder, parts } = JSON.parse(value)
  const partPlan = { floorBytes: 1000, partSizeBytes: 1000 }
  const server = createScoreServer((publicUrl) => openEmbeddedScore({ dataDir: folder, publicUrl, partPlan }), { port: 0 })
  const { url, score } = await server.listen()
  const objectId = await publishObject(score, parts)
  const headers = { authorization: `Bearer ${score.token}` }
  process.send({ name: 'score', url: `${url}/download/${objectId}?offset=0&length=-1`, headers })
  process.once('SIGTERM', async () => {
    await server.close()
    await score.close()
    process.exit(0)
  })
} else if (mode === 'configured') {
  const { config, findings } = await readServerConfig({ env: JSON.parse(value) })
  const wrong = findings.filter(({ severity }) => severity === 'error')
  if (wrong.length > 0) throw new Error(JSON.stringify(wrong))
  const server = createScoreServer((url) => openScore(config, { url }), { port: 0 })
  const { url } = await server.listen()
  process.send({ url })
} else {
  const app = new Koa()
  app.use((ctx) => {
    ctx.type = 'application/json'
    ctx.body = value
  })
  const listening = app.listen(0, '127.0.0.1', () => {
    process.send({ name: 'bare', url: `http://127.0.0.1:${listening.address().port}/`, headers: {} })
  })
  process.once('SIGTERM', () => process.exit(0))
}
