/**
 * The control plane's speed: an authorised `GET /download/{id}` on the embedded store and catalogue, against a bare Koa route
 * that answers the same bytes, in turns, on one processor. Prints requests a second of both and their ratio.
 *
 *   npm run bench:server -- [requests each] [connections] [parts] [rounds]
 *
 * The server is the built program's code in a process of its own; so is the bare one. The load comes from this process, and
 * every answer is compared.
 */
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { askOnce, measure, pinned, spreadOf, spreadText, stable, startSide, type Turn } from './server-load.ts'

const [requests = 10_000, connections = 8, parts = 1, rounds = 5] = process.argv.slice(2).map(Number)
const product = join(import.meta.dirname, 'server-product.mjs')
const floor = 0.5

const folder = await mkdtemp(join(tmpdir(), 'score-bench-server-'))
try {
  const score = await startSide(product, ['score', JSON.stringify({ folder, parts })])
  const text = await askOnce(score.side)
  const bare = await startSide(product, ['bare', text])
  const turn = async ({ side, cpu }: typeof score): Promise<Turn> => {
    const before = await cpu()
    const rate = await measure(side, { requests, connections })
    return { rate, cpu: ((await cpu()) - before) / requests }
  }
  const turns: { readonly score: Turn; readonly bare: Turn }[] = []
  for (let round = 0; round <= rounds; round++) {
    const both = { score: await turn(score), bare: await turn(bare) }
    // The first round only warms up.
    if (round > 0) turns.push(both)
  }
  await score.stop()
  await bare.stop()
  const rates = spreadOf(turns.map((both) => both.score.rate / both.bare.rate))
  const times = spreadOf(turns.map((both) => (both.bare.cpu ?? 0) / (both.score.cpu ?? 0)))
  const row = (name: 'score' | 'bare'): string =>
    `${spreadText(spreadOf(turns.map((both) => both[name].rate)), 0)} requests/s, ${spreadText(spreadOf(turns.map((both) => both[name].cpu ?? 0)), 0)} µs of processor time`
  const digest = createHash('md5').update(stable(text)).digest('hex').slice(0, 8)
  process.stdout.write(
    `node ${process.version}, ${connections} connections, ${requests} requests x ${rounds} in turns, ${parts} part(s), ` +
      `answer of ${text.length} bytes (${digest}), ${pinned ? 'one processor each for server and load' : 'not pinned'}; min / median / max\n` +
      `GET /download/{id}, authorised   ${row('score')}\n` +
      `bare Koa route, the same JSON    ${row('bare')}\n` +
      `ratio of requests a second       ${spreadText(rates, 2)} (floor ${floor.toFixed(2)})\n` +
      `ratio of processor time          ${spreadText(times, 2)}\n`,
  )
  if (rates.middle < floor) process.exitCode = 1
} finally {
  await rm(folder, { recursive: true, force: true })
}
