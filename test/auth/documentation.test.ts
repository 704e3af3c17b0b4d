import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import * as assert from 'uvu/assert'
import type { TokenVerifier } from '../../src/auth/authorizer.ts'
import { defaultScopePolicy } from '../../src/auth/scope-policy.ts'
import { createScoreAuth } from '../../src/compose/score-auth.ts'
import { readServerConfig } from '../../src/compose/server-config.ts'
import { createTestCatalogue } from '../objects/score-house.ts'
import { suite } from '../support/suite.ts'

const root = join(import.meta.dirname, '../..')
const page = await readFile(join(root, 'docs/authorization.md'), 'utf8')
const blocks = [...page.matchAll(/\*\*([^*]+)\*\*[^`]*(?:`[^`\n]+`[^`]*)*```ts\n([\s\S]*?)```/g)].map(([, title = '', code = '']) => ({
  title,
  code,
}))
const settings = Object.fromEntries(
  [...page.matchAll(/^\*\*([^*\n]+)\*\*[^\n]*\n\n```sh\n([\s\S]*?)```/gm)].map(([, title = '', text = '']) => {
    const lines = text.trim().split('\n')
    return [title, Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]))] as const
  }),
)
/** Whether a site has one for JWTs, and one for API keys. */
const verifiersOf: Readonly<Record<string, readonly [jwts: boolean, apiKeys: boolean]>> = {
  'Any OIDC server that issues JWTs': [true, false],
  'An OIDC server whose access tokens are opaque': [true, true],
  Ego: [true, true],
  Keycloak: [true, true],
}
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

  test('has settings for each kind of site too', () => assert.equal(Object.keys(settings).sort(), Object.keys(verifiersOf).sort()))

  for (const [title, env] of Object.entries(settings))
    test(`${title}: its settings are taken without a word, and make its verifiers`, async () => {
      const { config, findings } = await readServerConfig({ env: { ...env, SCORE_DATA: folder } })
      assert.equal(findings, [])
      const auth = createScoreAuth(config, { metadata: createTestCatalogue() })
      assert.is(auth.access, 'secure')
      assert.equal([auth.jwts !== undefined, auth.apiKeys !== undefined], verifiersOf[title])
    })

  test('the scopes in it are those of the code', () => {
    const rows = [...page.matchAll(/^\| `(upload|download|catalogue)`[^|]*\| `([^`]+)` \| `([^`]+)` \|/gm)]
    assert.is(rows.length, 3)
    for (const [, right = '', system, study] of rows) {
      const rule = defaultScopePolicy[right as keyof typeof defaultScopePolicy]
      assert.is(system, rule.system)
      assert.is(study, `${rule.study.prefix}<study>${rule.study.suffix}`)
    }
  })
})
