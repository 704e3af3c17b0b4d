import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { suite } from '../../support/suite.ts'
import { type CliWorld, createCliWorld, md5OfFile, type Started, until } from './cli-world.ts'

const MiB = 1024 * 1024
const slowly = ['--max-rate', '7M', '--parallel', '1', '--json']
let world: CliWorld
let big: string
let bigId: string

/** Whole JSON lines so far. */
function told(started: Started): { readonly [name: string]: unknown }[] {
  return started
    .stdout()
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as { readonly [name: string]: unknown })
}

/** Sends the signal as soon as the first part is through: the others take seconds more. */
async function interruptAfterPart(started: Started, signal: 'SIGINT' | 'SIGTERM'): Promise<void> {
  let sent = false
  started.child.stdout?.on('data', () => {
    if (sent || !told(started).some(({ type }) => type === 'part')) return
    sent = true
    started.child.kill(signal)
  })
  await started.ended
}

function summaryFile(started: Started): { readonly [name: string]: unknown } | undefined {
  const summary = told(started).find(({ type }) => type === 'summary') as
    | { readonly files: readonly { readonly [name: string]: unknown }[] }
    | undefined
  return summary?.files[0]
}

suite('processes', (test) => {
  test.before(async () => {
    world = await createCliWorld()
    big = world.makeFile('big.bin', 62 * MiB)
  })
  test.after(() => world.close())

  test('SIGINT in the middle of an upload: 130, and the next run keeps the parts', async () => {
    const first = world.start(['upload', '--study', 'BIG', 'big.bin', ...slowly])
    await interruptAfterPart(first, 'SIGINT')
    const ended = await first.ended
    assert.is(ended.code, 130, ended.stderr)
    assert.is(told(first).at(-1)?.['type'], 'interrupted')
    const second = world.start(['upload', '--study', 'BIG', 'big.bin', '--json'])
    assert.is((await second.ended).code, 0, second.stderr())
    const file = summaryFile(second)
    bigId = String(file?.['objectId'])
    assert.ok(Number(file?.['partsKept']) >= 1, `kept ${file?.['partsKept']}`)
    assert.is(Number(file?.['partsKept']) + Number(file?.['partsMoved']), 4)
    assert.is(file?.['md5'], md5OfFile(big))
  })

  test('SIGTERM in the middle of a download: 143, no file under the final name; the next run keeps the parts', async () => {
    const download = ['download', '--object-id', bigId, '--output-dir', 'got']
    const first = world.start([...download, ...slowly])
    await interruptAfterPart(first, 'SIGTERM')
    assert.is((await first.ended).code, 143, first.stderr())
    assert.not(existsSync(join(world.folder, 'got/big.bin')))
    const second = world.start([...download, '--json'])
    assert.is((await second.ended).code, 0, second.stderr())
    assert.ok(Number(summaryFile(second)?.['partsKept']) >= 1)
    assert.is(md5OfFile(join(world.folder, 'got/big.bin')), md5OfFile(big))
    assert.equal(readdirSync(join(world.folder, 'got')), ['big.bin'])
  })

  test('two downloads of one object into one folder: the second is told, or waits', async () => {
    const download = ['download', '--object-id', bigId, '--output-dir', 'both']
    const first = world.start([...download, '--max-rate', '1M', '--json'])
    await until('its begin', () => told(first).some(({ type }) => type === 'started') || first.child.exitCode !== null)
    const second = await world.run(download)
    assert.is(second.code, 5, second.stderr)
    assert.match(second.stderr, /ERROR: .*is held by process \d+ on .*--wait/)
    const waiting = world.run([...download, '--wait'])
    first.child.kill('SIGINT')
    await first.ended
    const waited = await waiting
    assert.is(waited.code, 0, waited.stderr)
  })

  test('a reader that goes away: no error of ls, and no end of a transfer', async () => {
    const listing = world.start(['ls'])
    listing.child.stdout?.destroy()
    const ended = await listing.ended
    assert.equal([ended.code, ended.stderr], [0, ''])
    const transfer = world.start(['download', '--object-id', bigId, '--output-dir', 'unread', '--json'])
    transfer.child.stdout?.destroy()
    assert.is((await transfer.ended).code, 0, transfer.stderr())
    assert.ok(existsSync(join(world.folder, 'unread/big.bin')))
  })

  test('serve ends at SIGTERM: the request that runs is finished, the run file goes', async () => {
    const server = world.start(['serve', '--data', 'second', '--port', '0'])
    await until('the server', () => server.stderr().includes('Ready.') || server.child.exitCode !== null)
    const [, url = ''] = /at (http:\S+)/.exec(server.stderr()) ?? []
    assert.match(server.stderr(), /Access token: in \S+second\/token/)
    const { port } = new URL(url)
    assert.ok(existsSync(join(world.folder, `state/score/run/${port}.json`)))
    const both = await world.run(['ls'])
    assert.match(both.stderr, /2 local servers run .*choose one with --storage-url/)
    assert.is((await world.run(['ls', '--data', 'second'])).code, 0)
    world.makeFile('sent.bin', 16 * MiB)
    const sent = await world.run(['upload', '--study', 'S', 'sent.bin', '--data', 'second'])
    const address = await world.run(['url', '--object-id', sent.stdout.split('\t')[0] ?? '', '--data', 'second'])
    // More than any buffer between holds: the answer has begun when the signal comes, and cannot have ended.
    const answer = await fetch(address.stdout.trim())
    server.child.kill('SIGTERM')
    await until('the server to drain', () => server.stderr().includes('Ending:'))
    assert.is((await answer.arrayBuffer()).byteLength, 16 * MiB)
    assert.is((await server.ended).code, 0, server.stderr())
    assert.not(existsSync(join(world.folder, `state/score/run/${port}.json`)))
  })

  test('a server that was killed is not found any more, and starts again on its folder', async () => {
    const server = world.start(['serve', '--data', 'third', '--port', '0', '--json'])
    await until('the server', () => told(server).length > 0 || server.child.exitCode !== null)
    server.child.kill('SIGKILL')
    await server.ended
    const gone = await world.run(['ls', '--data', 'third'])
    assert.is(gone.code, 2)
    assert.match(gone.stderr, /no server of this user runs on/)
    assert.is((await world.run(['ls'])).code, 0)
  })
})
