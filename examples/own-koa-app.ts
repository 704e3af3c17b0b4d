/**
 * Score inside a web application of your own, under a prefix and beside your own routes. In a project of your own:
 * `score-sdk` and `score-sdk/server`.
 *
 * Run it: `PORT=8080 npx tsx examples/own-koa-app.ts DATA_FOLDER`, then `score info --data DATA_FOLDER`.
 */
import Koa from 'koa'
import { createScoreMiddleware } from '../adapters/server/index.ts'
import { openEmbeddedScore } from '../src/index.ts'

const [dataDir = 'score-data'] = process.argv.slice(2)
const port = Number(process.env['PORT'] ?? 8080)
// Signed URLs lead to where the middleware is mounted.
const publicUrl = `http://127.0.0.1:${port}/genomics/score`
const score = await openEmbeddedScore({ dataDir, publicUrl })

const app = new Koa()
app.use(
  createScoreMiddleware(score, { prefix: '/genomics/score', onRequest: ({ method, path, status }) => console.log(method, path, status) }),
)
app.use((ctx) => {
  ctx.body = `Files are at ${publicUrl}`
})
const server = app.listen(port, '127.0.0.1', () => console.log(`ready at ${publicUrl}, token in ${score.tokenPath}`))
process.once('SIGTERM', () => server.close(() => score.close()))
