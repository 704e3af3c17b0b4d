import { spawnSync } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { prepareFolder, readSettings } from '../../examples/demo/demo-settings.ts'
import { suite } from '../support/suite.ts'

const folder = await mkdtemp(join(tmpdir(), 'score-demo-settings-'))
const cli = fileURLToPath(new URL('../../adapters/cli/score.ts', import.meta.url))
const demo = fileURLToPath(new URL('../../examples/demo/demo.ts', import.meta.url))

async function refused(work: Promise<unknown>, says: RegExp): Promise<void> {
  const error: unknown = await work.then(
    () => new Error('it was to be refused'),
    (thrown: unknown) => thrown,
  )
  assert.match(String(error), says)
}

suite('settings of the demo', (test) => {
  test.after(() => rm(folder, { recursive: true }))

  test('defaults, and what can be set', () => {
    assert.equal(readSettings([]), { mebibytes: 256, cli })
    assert.equal(readSettings(['--size', '100', '--keep', '/data', '--cli', demo]), { mebibytes: 100, keep: '/data', cli: demo })
    assert.is(readSettings(['--help']), undefined)
  })

  test('what is refused', () => {
    const rows: readonly (readonly [readonly string[], RegExp])[] = [
      [['--size', '99'], /--size 99: .* at least 100/],
      [['--size', 'big'], /--size big/],
      [['--size', '100.5'], /--size 100\.5/],
      [['--sise', '300'], /--sise/],
      [['stray'], /stray/],
      [['--cli', 'no/such.js'], /--cli no\/such\.js: there is no such file/],
    ]
    for (const [args, says] of rows) {
      assert.throws(
        () => readSettings(args),
        (error: unknown) => says.test(String(error)),
      )
    }
  })

  test('a folder with files in it is not touched, an absent one is made', async () => {
    await writeFile(join(folder, 'mine.txt'), 'x')
    await refused(prepareFolder({ mebibytes: 1, cli, keep: folder }), /the folder is not empty; name another one/)
    assert.equal(await readdir(folder), ['mine.txt'])
    const keep = join(folder, 'new', 'deep')
    assert.is(await prepareFolder({ mebibytes: 1, cli, keep }), keep)
    assert.equal(await readdir(keep), [])
  })

  test('more than the disk holds is refused before anything is written', async () => {
    const empty = await mkdtemp(join(folder, 'tmp-'))
    const own = process.env['TMPDIR']
    process.env['TMPDIR'] = empty
    try {
      await refused(prepareFolder({ mebibytes: 1_000_000_000, cli }), /MiB free, the demo needs 4000000000 MiB/)
    } finally {
      if (own === undefined) delete process.env['TMPDIR']
      else process.env['TMPDIR'] = own
    }
    assert.equal(await readdir(empty), [])
  })

  test('the program exits 2 and shows its usage for a wrong option', () => {
    const { status, stderr } = spawnSync(process.execPath, ['--import', 'tsx', demo, '--size', '5'], { encoding: 'utf8' })
    assert.is(status, 2)
    assert.match(stderr, '--size 5: ')
    assert.match(stderr, 'npm run demo -- [--size MIB]')
  })
})
