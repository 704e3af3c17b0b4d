import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { suite } from '../support/suite.ts'

const folder = mkdtempSync(join(tmpdir(), 'score-demo-options-'))
const demo = fileURLToPath(new URL('../../examples/demo/demo.ts', import.meta.url))

function run(...args: readonly string[]): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  return spawnSync(process.execPath, ['--import', 'tsx', demo, ...args], { encoding: 'utf8', env: { ...process.env, TMPDIR: folder } })
}

suite('options of the demo', (test) => {
  test.after(() => rmSync(folder, { recursive: true }))

  test('help', () => {
    const { status, stdout } = run('--help')
    assert.is(status, 0)
    assert.match(stdout, '--keep DIR')
  })

  for (const [args, says] of [
    [['--size', '99'], /--size 99: .* at least 100/],
    [['--size', 'big'], /--size big/],
    [['--sise', '300'], /--sise/],
    [['stray'], /stray/],
    [['--cli', 'no/such.js'], /--cli no\/such\.js: there is no such file/],
  ] as const) {
    test(`'${args.join(' ')}' is refused with the usage`, () => {
      const { status, stderr } = run(...args)
      assert.is(status, 2)
      assert.match(stderr, says)
      assert.match(stderr, 'npm run demo -- [--size MIB]')
    })
  }

  test('a folder with files in it is not touched', () => {
    writeFileSync(join(folder, 'mine.txt'), 'x')
    const { status, stderr } = run('--keep', folder)
    assert.is(status, 1)
    assert.match(stderr, /the folder is not empty/)
    assert.ok(readdirSync(folder).includes('mine.txt'))
  })

  test('more than the disk holds is refused before anything is written', () => {
    const { status, stderr } = run('--size', '1000000000')
    assert.is(status, 1)
    assert.match(stderr, /MiB free, the demo needs 4000000000 MiB/)
    assert.not.ok(readdirSync(folder).some((name) => name.startsWith('score-demo-')))
  })
})
