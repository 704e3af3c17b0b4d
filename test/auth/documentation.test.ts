import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import * as assert from 'uvu/assert'
import type { TokenVerifier } from '../../src/auth/authorizer.ts'
import { suite } from '../support/suite.ts'

const root = join(import.meta.dirname, '../..')
const page = await readFile(join(root, 'docs/authorization.md'), 'utf8')
const blocks = [...page.matchAll(/\*\*([^*]+)\*\*[^`]*(?:`[^`\n]+`[^`]*)*```ts\n([\s\S]*?)```/g)].map(([, title = '', code = '']) => ({
  title,
  code,
}))
const entry = pathToFileURL(join(root, 'src/index.ts')).href

suite('docs/authorization.md', (test) => {
  let folder = ''
  test.before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'score-docs-'))
  })
  test.after(() => rm(folder, { recursive: true }))

  test('has a set-up for each kind of site', () => assert.equal(blocks.length, page.split('```ts').length - 1))

  for (const [index, { title, code }] of blocks.entries())
    test(`${title} makes a verifier`, async () => {
      const file = join(folder, `${index}.ts`)
      await writeFile(file, code.replaceAll("'score-sdk'", `'${entry}'`))
      const { verifier } = (await import(pathToFileURL(file).href)) as { verifier: TokenVerifier }
      assert.type(verifier.verify, 'function')
    })
})
