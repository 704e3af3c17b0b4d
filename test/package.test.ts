import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import config from '../tsup.config.ts'
import { suite } from './support/suite.ts'

const root = join(import.meta.dirname, '..')

interface Manifest {
  readonly bin: Readonly<Record<string, string>>
  readonly exports: Readonly<Record<string, string | { readonly types: string; readonly default: string }>>
  readonly files: readonly string[]
  readonly dependencies: Readonly<Record<string, string>>
  readonly allowScripts: Readonly<Record<string, boolean>>
}

interface Lock {
  readonly packages: Readonly<Record<string, { readonly hasInstallScript?: boolean; readonly resolved?: string }>>
}

function readJson<T>(name: string): T {
  return JSON.parse(readFileSync(join(root, name), 'utf8')) as T
}

suite('package', (test) => {
  const manifest = readJson<Manifest>('package.json')
  const lock = readJson<Lock>('package-lock.json')
  const entries = (config as { readonly entry: Readonly<Record<string, string>> }).entry

  test('every export is built from an entry, with its types', () => {
    const paths = Object.entries(manifest.exports).filter(([path]) => path !== './package.json')
    for (const [path, target] of paths) {
      assert.type(target, 'object', path)
      if (typeof target === 'string') continue
      const name = /^\.\/dist\/(.+)\.js$/.exec(target.default)?.[1] ?? ''
      assert.ok(entries[name] !== undefined, `${path}: tsup has no entry for ${target.default}`)
      assert.is(target.types, `./dist/${name}.d.ts`, path)
    }
    assert.ok(paths.length >= 3)
  })

  test('every program is built from an entry that starts with a shebang', () => {
    for (const [program, target] of Object.entries(manifest.bin)) {
      const name = /^\.\/dist\/(.+)\.js$/.exec(target)?.[1] ?? ''
      const source = entries[name]
      assert.ok(source !== undefined, `${program}: tsup has no entry for ${target}`)
      assert.match(readFileSync(join(root, source ?? ''), 'utf8'), /^#!\/usr\/bin\/env node\n/)
    }
    assert.equal(Object.keys(manifest.bin).sort(), ['score', 'score-client'])
  })

  test('every entry has its source, and what is published is there', () => {
    for (const source of Object.values(entries)) assert.ok(existsSync(join(root, source)), source)
    for (const name of manifest.files) assert.ok(name === 'dist' || existsSync(join(root, name)), name)
    assert.match(readFileSync(join(root, 'LICENSE'), 'utf8'), /GNU AFFERO GENERAL PUBLIC LICENSE\nVersion 3/)
  })

  test('threads find their file beside the chunks', () => {
    const rows = [
      ['src/transfer/transport/thread.ts', 'src/transfer/transport/worker.ts'],
      ['src/slice/text-threads.ts', 'src/slice/text-worker.ts'],
    ] as const
    for (const [starter, entry] of rows) {
      const [, name = ''] = /new URL\('\.\/([\w-]+)\.js', import\.meta\.url\)/.exec(readFileSync(join(root, starter), 'utf8')) ?? []
      assert.is(entries[name], entry)
    }
  })

  test('every install script of a dependency was decided on', () => {
    const scripted = Object.entries(lock.packages).filter(([, { hasInstallScript }]) => hasInstallScript === true)
    assert.ok(scripted.length > 0)
    for (const [path] of scripted) {
      const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
      assert.type(manifest.allowScripts[name], 'boolean', `${name}: npm warns until allowScripts says true or false`)
    }
  })

  test('the lock file names no registry', () => {
    for (const [path, { resolved }] of Object.entries(lock.packages)) assert.is(resolved, undefined, path)
  })
})
