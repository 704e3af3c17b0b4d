/**
 * The control plane's speed: an authorised `GET /download/{id}` on the embedded store and catalogue, against a bare Koa route
 * that answers the same bytes, in turns, on one machine. Prints requests a second of both and their ratio.
 *
 *   npm run bench:server -- [seconds each] [connections] [parts]
 *
 * The server is the built program's code in a process of its own; so is the bare one. The load comes from this process.
 */
import { fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const [seconds = 5, connections = 8, parts = 1] = process.argv.slice(2).map(Number)
const rounds = 3

interface Side {
  readonly name: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

interface Answer {
  readonly status: number
  readonly bytes: number
}

function ask(agent: Agent, { url, headers }: Side): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent, headers }, (response) => {
      let bytes = 0
      response.on('data', (piece: Buffer) => {
        bytes += piece.length
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, bytes }))
    })
    sent.on('error', reject)
    sent.end()
  })
}

/** @returns requests a second. */
async function measure(side: Side): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const end = performance.now() + seconds * 1000
  let answers = 0
  const started = performance.now()
  const one = async (): Promise<void> => {
    while (performance.now() < end) {
      const { status } = await ask(agent, side)
      if (status !== 200) throw new Error(`${side.name} answered ${status}`)
      answers++
    }
  }
  await Promise.all(Array.from({ length: connections }, one))
  const took = (performance.now() - started) / 1000
  agent.destroy()
  return answers / took
}

async function start(mode: 'score' | 'bare', value: string): Promise<{ readonly side: Side; stop(): Promise<void> }> {
  const child = fork(join(import.meta.dirname, 'server-product.mjs'), [mode, value], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const [message] = (await once(child, 'message')) as [Side]
  return {
    side: message,
    async stop() {
      child.kill('SIGTERM')
      await once(child, 'exit')
    },
  }
}

const middle = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number

const folder = await mkdtemp(join(tmpdir(), 'score-bench-server-'))
try {
  const score = await start('score', JSON.stringify({ folder, parts }))
  const text = await new Promise<string>((resolve, reject) => {
    request(score.side.url, { headers: score.side.headers }, async (response) => {
      const pieces: Buffer[] = []
      for await (const piece of response) pieces.push(piece as Buffer)
      resolve(Buffer.concat(pieces).toString())
    })
      .on('error', reject)
      .end()
  })
  const bare = await start('bare', text)
  const results: Record<'score' | 'bare', number[]> = { score: [], bare: [] }
  for (let round = 0; round <= rounds; round++)
    for (const [name, { side }] of [
      ['score', score],
      ['bare', bare],
    ] as const) {
      const rate = await measure(side)
      // The first round only warms up.
      if (round > 0) results[name].push(rate)
    }
  await score.stop()
  await bare.stop()
  const [ours, theirs] = [middle(results.score), middle(results.bare)]
  const digest = createHash('md5').update(text).digest('hex').slice(0, 8)
  process.stdout.write(
    `node ${process.version}, ${connections} connections, ${seconds} s x ${rounds} in turns, ${parts} part(s), answer of ${text.length} bytes (${digest})\n` +
      `GET /download/{id}, authorised   ${ours.toFixed(0)} requests/s\n` +
      `bare Koa route, the same JSON    ${theirs.toFixed(0)} requests/s\n` +
      `ratio                            ${(ours / theirs).toFixed(2)} (floor 0.50)\n`,
  )
  if (ours / theirs < 0.5) process.exitCode = 1
} finally {
  await rm(folder, { recursive: true, force: true })
}
