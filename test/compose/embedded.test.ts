import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { type EmbeddedOptions, type EmbeddedScore, openEmbeddedScore } from '../../src/index.ts'
import { failure } from '../objects/score-house.ts'
import { suite } from '../support/suite.ts'

async function inFolder(
  use: (dataDir: string, open: (options?: Partial<EmbeddedOptions>) => Promise<EmbeddedScore>) => Promise<void>,
): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'score-embedded-'))
  const dataDir = join(root, 'new', 'data')
  const opened: EmbeddedScore[] = []
  try {
    await use(dataDir, async (options) => {
      const score = await openEmbeddedScore({ dataDir, publicUrl: 'http://127.0.0.1:1', durable: false, ...options })
      opened.push(score)
      return score
    })
  } finally {
    for (const score of opened) await score.close()
    await rm(root, { recursive: true })
  }
}

const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777

suite('compose/embedded', (test) => {
  test('the first start makes the folder, its version, key and token, for nobody else’s eyes', () =>
    inFolder(async (dataDir, open) => {
      const score = await open()
      assert.is(await modeOf(dataDir), 0o700)
      assert.is(await readFile(join(dataDir, 'VERSION'), 'utf8'), '1\n')
      assert.equal([score.tokenPath, await modeOf(score.tokenPath)], [join(dataDir, 'token'), 0o600])
      assert.is(await readFile(score.tokenPath, 'utf8'), `${score.token}\n`)
      assert.match(score.token, /^[0-9a-f]{64}$/)
      assert.is(await modeOf(join(dataDir, 'signing-key')), 0o600)
      await score.service.ready()
      assert.is(await score.api().profile(), 's3')
    }))

  test('a later start finds the same, and what was registered', () =>
    inFolder(async (_dataDir, open) => {
      const first = await open()
      await first.catalogue.ensureStudy('S')
      const url = await first.api().sentinelUrl()
      const second = await open()
      assert.is(second.token, first.token)
      const { pathname, search } = new URL(url)
      const none = (async function* (): AsyncGenerator<Uint8Array> {})()
      const answer = await second.dataPlane.handle({ method: 'GET', path: pathname, query: search, headers: {}, body: none })
      assert.is(answer.status, 200)
      assert.equal(await second.catalogue.analyses('S', 'UNPUBLISHED'), [])
    }))

  test('ten first starts at once agree on one token and one key', () =>
    inFolder(async (dataDir, open) => {
      const scores = await Promise.all(Array.from({ length: 10 }, () => open()))
      assert.is(new Set(scores.map((score) => score.token)).size, 1)
      assert.is(
        new Set(await Promise.all(scores.map(async (score) => (await score.api().sentinelUrl()).replace(/Expires=\d+/, '').slice(0, 40))))
          .size,
        1,
      )
      assert.equal((await readdir(dataDir)).sort(), ['VERSION', 'catalogue', 'signing-key', 'store', 'token'])
    }))

  const refusals: readonly (readonly [string, Readonly<Record<string, string>>, RegExp])[] = [
    ['the folder of a newer release', { VERSION: '2\n' }, /written by a newer release \(layout 2, this one knows up to 1\); update/],
    ['a version that is none', { VERSION: 'one\n' }, /VERSION' must hold the number of a layout such as 1, not 'one'/],
    ['an empty version', { VERSION: '' }, /must hold the number/],
    [
      'a folder that is something else’s',
      { 'thesis.doc': 'x' },
      /no data folder of Score and not empty \('thesis\.doc' is in it\); name an empty or a new folder/,
    ],
    ['a token file without token', { VERSION: '1\n', token: '\n' }, /token' holds no access token/],
    ['a key file without key', { VERSION: '1\n', 'signing-key': 'x' }, /holds no signing key/],
  ]
  for (const [name, files, message] of refusals)
    test(`${name} is refused, and left as it is`, () =>
      inFolder(async (dataDir, open) => {
        await mkdir(dataDir, { recursive: true })
        for (const [file, text] of Object.entries(files)) await writeFile(join(dataDir, file), text)
        const refused = await failure(open())
        assert.is(refused.code, 'invalid-configuration')
        assert.match(refused.message, message)
        for (const [file, text] of Object.entries(files)) assert.is(await readFile(join(dataDir, file), 'utf8'), text)
      }))

  test('a file where the folder should be is told', () =>
    inFolder(async (dataDir, open) => {
      await mkdir(join(dataDir, '..'), { recursive: true })
      await writeFile(dataDir, 'x')
      const refused = await failure(open())
      assert.is(refused.code, 'local-storage')
      assert.ok(refused.message.includes(dataDir))
    }))

  test('an empty folder of a fresh file system will do', () =>
    inFolder(async (dataDir, open) => {
      await mkdir(join(dataDir, 'lost+found'), { recursive: true })
      await open()
    }))

  test('access none lets everyone in; access token only its bearer', () =>
    inFolder(async (_dataDir, open) => {
      const closed = await open()
      assert.is((await failure(closed.service.as(undefined).profile())).code, 'unauthenticated')
      assert.is((await failure(closed.api('another-token-0123456789').profile())).code, 'unauthenticated')
      const free = await open({ access: 'none' })
      assert.is(await free.service.as(undefined).profile(), 's3')
    }))

  test('lifetimes of URLs are the owner’s to set', () =>
    inFolder(async (_dataDir, open) => {
      const now = Date.UTC(2026, 10, 24)
      const url = await (await open({ now: () => now, pingExpirySeconds: 7 })).api().sentinelUrl()
      assert.is(new URL(url).searchParams.get('Expires'), String(now / 1000 + 7))
    }))

  test('a sweep on an empty system does nothing', () => inFolder(async (_dataDir, open) => (await open()).sweep()))
})
