import { readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import * as assert from 'uvu/assert'
import { suite } from '../../support/suite.ts'

const root = join(import.meta.dirname, '..', '..', '..')

/** What loads with a module before it runs: its static imports, types left out, and theirs. */
function loadedWith(entry: string, seen = new Set<string>()): Set<string> {
  if (seen.has(entry)) return seen
  seen.add(entry)
  const text = readFileSync(entry, 'utf8')
  for (const [, specifier = ''] of text.matchAll(/^(?:import|export) (?!type )[^;'"]*?from '([^']+)'/gm)) {
    if (specifier.startsWith('.')) loadedWith(resolve(dirname(entry), specifier), seen)
    else seen.add(specifier)
  }
  return seen
}

suite('start-up', (test) => {
  for (const program of ['score', 'score-client']) {
    test(`${program} loads the library, the server and yaml only once a command needs them`, () => {
      const loaded = [...loadedWith(join(root, `adapters/cli/${program}.ts`))].map((name) =>
        name.startsWith('/') ? relative(root, name) : name,
      )
      assert.ok(loaded.includes('adapters/cli/argv.ts'), 'the walk found the command line')
      assert.equal(
        loaded.filter(
          (name) => name.startsWith('src/') || name.startsWith('adapters/server/') || name.startsWith('adapters/cli/commands/'),
        ),
        [],
      )
      assert.equal(loaded.filter((name) => !name.startsWith('adapters/') && !name.startsWith('node:')).sort(), ['clipanion', 'typanion'])
    })
  }
})
