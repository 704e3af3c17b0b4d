import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { suite } from '../../support/suite.ts'
import { type CliWorld, createCliWorld, until } from './cli-world.ts'

type Line = Readonly<Record<string, unknown>>

function linesOf(text: string): Line[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line)
}

suite('score serve, observed', (test) => {
  let world: CliWorld
  test.before(async () => {
    world = await createCliWorld()
  })
  test.after(async () => world.close())

  test('--log FILE holds requests and decisions, --metrics-port counts them, and stderr stays for people', async () => {
    const server = world.start(['serve', '--data', 'logged', '--port', '0', '--metrics-port', '0', '--log', 'score.log', '--json'])
    await until('the server', () => server.stdout().includes('\n') || server.child.exitCode !== null)
    const { url, metricsUrl } = JSON.parse(server.stdout()) as { readonly url: string; readonly metricsUrl: string }
    assert.is((await fetch(`${url}/profile`, { headers: { authorization: 'Bearer SECRET' } })).status, 401)
    const log = join(world.folder, 'score.log')
    await until('the request in the log', () => readFileSync(log, 'utf8').includes('"event":"request"'))
    assert.match(await (await fetch(metricsUrl)).text(), 'score_auth_decisions_total{action="identify",outcome="unauthenticated"} 1')
    server.child.kill('SIGTERM')
    assert.is((await server.ended).code, 0, server.stderr())
    const lines = linesOf(readFileSync(log, 'utf8'))
    assert.equal(
      lines.map((line) => [line['event'], line['outcome'] ?? line['status']]),
      [
        ['decision', 'unauthenticated'],
        ['request', 401],
      ],
    )
    assert.is(lines[0]?.['requestId'], lines[1]?.['requestId'])
    assert.not.match(readFileSync(log, 'utf8') + server.stderr(), 'SECRET')
    assert.not.match(server.stderr(), '/profile')
  })

  test('--log - writes JSON to stderr; a log that cannot be written, or a port that is none, is refused before it serves', async () => {
    const server = world.start(['serve', '--data', 'loud', '--port', '0', '--log', '-', '--json'])
    await until('the server', () => server.stdout().includes('\n') || server.child.exitCode !== null)
    const { url } = JSON.parse(server.stdout()) as { readonly url: string }
    await fetch(`${url}/readyz`)
    await until('the line', () => server.stderr().includes('"route":"/readyz"') || server.stderr().includes('"path":"/readyz"'))
    server.child.kill('SIGTERM')
    assert.is((await server.ended).code, 0, server.stderr())
    const refused = await world.run(['serve', '--data', 'loud', '--port', '0', '--log', 'none/score.log'])
    assert.is(refused.code, 2)
    assert.match(refused.stderr, /--log none\/score\.log cannot be written: ENOENT/)
    assert.match((await world.run(['serve', '--data', 'loud', '--port', '0', '--metrics-port', '70000'])).stderr, /--metrics-port must lie/)
    const port = new URL(world.url).port
    const taken = await world.run(['serve', '--data', 'loud', '--port', port, '--metrics-port', '0'])
    assert.is(taken.code, 2)
  })
})
