import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import * as assert from 'uvu/assert'
import { suite } from '../support/suite.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '..', '..')
const version = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly version: string }).version

/** What a TypeScript program of an integrator may look like, by `import` and by `require`. */
const typed = {
  'by-import.mts': `import { ScoreError, isScoreError, planParts, type Part } from 'score-sdk'
import * as server from 'score-sdk/server'
import * as testing from 'score-sdk/testing'
const parts: readonly Part[] = planParts({ start: 0, end: 100 })
const error = new ScoreError('object-not-found', 'x')
export const told: boolean = isScoreError(error, 'object-not-found') && parts.length === 1
export const createServer: typeof server.createScoreServer = server.createScoreServer
export type Testing = keyof typeof testing
// @ts-expect-error: codes are a closed list
new ScoreError('no-such-code', 'x')
`,
  'by-require.cts': `import score = require('score-sdk')
export const parts: readonly score.Part[] = score.planParts({ start: 0, end: 100 })
`,
}

/** npm names these to whoever installs the package; all of it works without their scripts (docs/decisions/0002). */
const scriptsLeftOut = ['fuse-native']

suite('package, built, packed and installed in an empty folder', (test) => {
  const folder = mkdtempSync(join(tmpdir(), 'score-package-'))
  const node = async (...args: readonly string[]): Promise<string> => (await run(process.execPath, args, { cwd: folder })).stdout.trim()
  const program = async (name: string, ...args: readonly string[]): Promise<{ stdout: string; stderr: string }> =>
    await run(join(folder, 'node_modules', '.bin', name), args, { cwd: folder, env: { PATH: process.env['PATH'] ?? '', HOME: folder } })

  test.before(async () => {
    await run('npm', ['run', 'build'], { cwd: root })
    await run('npm', ['pack', '--pack-destination', folder], { cwd: root })
    writeFileSync(join(folder, 'package.json'), '{ "private": true }')
    const installed = await run('npm', ['install', '--no-fund', '--no-audit', join(folder, `score-sdk-${version}.tgz`)], { cwd: folder })
    const told = `${installed.stdout}${installed.stderr}`.split('\n')
    const scripts = told.flatMap((line) => /^npm warn install-scripts {3}(\S+)@\S+ \(/.exec(line)?.[1] ?? [])
    assert.equal(scripts.sort(), scriptsLeftOut)
    assert.not.match(told.filter((line) => !line.startsWith('npm warn install-scripts')).join('\n'), /npm (warn|error)/i)
  })
  test.after(() => rmSync(folder, { recursive: true }))

  test('import', async () => {
    const source = `import { planParts } from 'score-sdk'; console.log(planParts({ start: 0, end: 50 * 2 ** 20 }).length)`
    assert.is(await node('--input-type=module', '-e', source), '3')
  })

  test('require', async () => {
    const source = `const { planParts } = require('score-sdk'); console.log(planParts({ start: 0, end: 50 * 2 ** 20 }).length)`
    // Node 20 says once on stderr that require() of a module is experimental; what matters is that it works.
    assert.is(await node('--input-type=commonjs', '-e', source), '3')
  })

  for (const path of ['score-sdk/server', 'score-sdk/testing']) {
    test(`require and import of ${path} give the same module`, async () => {
      const source = `import('${path}').then((m) => console.log(Object.keys(m).length > 0 && require('${path}') === m))`
      assert.is(await node('--input-type=commonjs', '-e', source), 'true')
    })
  }

  test('one ScoreError, whichever entry it came through', async () => {
    const source = `
      import { ScoreError } from 'score-sdk'
      import * as server from 'score-sdk/server'
      try { await server.createScoreServer({ dataDir: '/dev/null/x' }) } catch (error) { console.log(error instanceof ScoreError, error.code) }`
    assert.match(await node('--input-type=module', '-e', source), /^true /)
  })

  test('nothing but its own files is in it', async () => {
    const { stdout } = await run('tar', ['tzf', `score-sdk-${version}.tgz`], { cwd: folder })
    const names = stdout.trim().split('\n')
    assert.equal(
      names.filter((name) => !/^package\/(dist|docs)\/|^package\/(LICENSE|README\.md|package\.json)$/.test(name)),
      [],
    )
    assert.ok(names.includes('package/LICENSE') && names.includes('package/dist/transfer-worker.js'))
  })

  for (const name of ['score', 'score-client']) {
    test(`${name} version, ${name} --help`, async () => {
      const told = await program(name, 'version')
      assert.match(told.stdout + told.stderr, new RegExp(version.replaceAll('.', '\\.')))
      const help = await program(name, '--help')
      assert.match(help.stdout + help.stderr, /upload[\s\S]*download/)
    })
  }

  test('types resolve by import and by require, declarations included', async () => {
    for (const [name, source] of Object.entries(typed)) writeFileSync(join(folder, name), source)
    const options = {
      module: 'nodenext',
      target: 'es2023',
      strict: true,
      noEmit: true,
      types: ['node'],
      typeRoots: [join(root, 'node_modules', '@types')],
    }
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, files: Object.keys(typed) }))
    const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
    const compiled = await run(process.execPath, [compiler, '-p', folder]).catch((error: { readonly stdout: string }) => error)
    assert.is(compiled.stdout, '')
  })
})
