/**
 * A route of your own that streams a slice of a stored BAM or CRAM to whoever may have it: nothing is fetched whole, memory
 * stays bounded, and no read outside the allowed regions leaves. In a project of your own: `score-sdk`.
 *
 * Run it: `STORAGE_URL=… METADATA_URL=… ACCESSTOKEN=… ALLOWED=chr1:1-50000,chr2 PORT=8080 npx tsx examples/slice-route.ts`,
 * then `curl 'http://127.0.0.1:8080/reads/OBJECT_ID?region=chr1:1000-2000&format=sam'`.
 */
import { Readable } from 'node:stream'
import Koa from 'koa'
import { createBamSlicer, createScoreClient, createSongMetadata, isScoreError, openObjectReads, problems } from '../src/index.ts'

const { STORAGE_URL = 'http://127.0.0.1:5431', METADATA_URL = STORAGE_URL, ACCESSTOKEN: token = '', ALLOWED, PORT = '8080' } = process.env
const api = createScoreClient({ url: STORAGE_URL, token })
const metadata = createSongMetadata({ url: METADATA_URL, token })
const rights = ALLOWED === undefined ? {} : { allowedRegions: ALLOWED.split(',') }

const app = new Koa()
app.use(async (ctx, next) => {
  try {
    await next()
  } catch (error) {
    if (!isScoreError(error)) throw error
    ctx.status = problems[error.code].status
    ctx.body = { code: error.code, message: error.message }
  }
})
app.use(async (ctx) => {
  const objectId = /^\/reads\/([0-9a-f-]{36})$/.exec(ctx.path)?.[1]
  if (objectId === undefined) return
  // Whoever goes away is not read for any longer.
  const gone = new AbortController()
  const { signal } = gone
  ctx.res.once('close', () => gone.abort(new Error('the client has gone')))
  const reads = await openObjectReads({ api, metadata }, objectId, { signal })
  ctx.res.once('close', () => void reads.close())
  const slicer = createBamSlicer(reads, { name: reads.entity.fileName })
  const regions = [ctx.query['region'] ?? []].flat()
  // What is refused is refused here, while there can still be another answer than bytes.
  await slicer.plan(regions, { ...rights, signal })
  const format = ctx.query['format'] === 'sam' ? 'sam' : 'bam'
  ctx.type = format === 'sam' ? 'text/plain' : 'application/vnd.ga4gh.bam'
  ctx.body = Readable.from(slicer.slice(regions, { format, ...rights, signal }))
})
app.on('error', (error: Error) => console.error(`a slice broke off: ${error.message}`))

const server = app.listen(Number(PORT), '127.0.0.1', () => console.log(`ready at http://127.0.0.1:${PORT}/reads/OBJECT_ID?region=REGION`))
process.once('SIGTERM', () => server.close())
