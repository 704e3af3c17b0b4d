/**
 * Who your users are stays your business: a verifier of your own, here over a table, in front of Score's rules. An
 * `Authorizer` of your own goes the same way. In a project of your own: `score-sdk` and `score-sdk/server`.
 *
 * Run it: `PORT=5431 npx tsx examples/own-authorizer.ts DATA_FOLDER`
 */
import { createScoreServer } from '../adapters/server/index.ts'
import { createStudyAuthorizer, openEmbeddedScore, ScoreError, type TokenVerifier } from '../src/index.ts'

const [dataDir = 'score-data'] = process.argv.slice(2)
const badges = new Map([['badge-of-ada-7f1c9e', { subject: 'ada', scopes: new Set(['PROGRAMDATA-DEMO.WRITE', 'PROGRAMDATA-DEMO.READ']) }]])

const verifier: TokenVerifier = {
  async verify(token) {
    const identity = badges.get(token)
    if (identity === undefined) throw new ScoreError('unauthenticated', 'nobody here has this badge')
    return identity
  },
}

const server = createScoreServer(
  (publicUrl) => openEmbeddedScore({ dataDir, publicUrl, authorizer: ({ metadata }) => createStudyAuthorizer({ verifier, metadata }) }),
  { port: Number(process.env['PORT'] ?? 5431) },
)
const { url, score } = await server.listen()
process.once('SIGTERM', () => void server.close().then(() => score.close()))
console.log(`ready at ${url}`)
