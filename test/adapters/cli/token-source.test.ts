import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import * as assert from 'uvu/assert'
import { loginPath, readLogin } from '../../../adapters/cli/login-store.ts'
import { runCli } from '../../../adapters/cli/run-cli.ts'
import { startIssuer } from '../../auth/oidc-site.ts'
import { suite } from '../../support/suite.ts'
import { until } from './cli-world.ts'
import { createSink } from './support.ts'

suite('where the token of the command line comes from', (test) => {
  let folder: string
  let server: Server
  let url: string
  let sent: string[]
  let isGood: (token: string) => boolean
  test.before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'score-token-'))
    server = createServer((request, response) => {
      const token = (request.headers.authorization ?? '').replace('Bearer ', '')
      sent.push(token)
      response.writeHead(isGood(token) ? 200 : 401, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ content: [], last: true }))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  test.beforeEach(() => {
    sent = []
    isGood = () => true
  })
  test.after(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    rmSync(folder, { recursive: true })
  })

  const environment = (): Record<string, string> => ({
    HOME: folder,
    PATH: process.env['PATH'] ?? '',
    XDG_STATE_HOME: join(folder, 'state'),
    STORAGE_URL: url,
    METADATA_URL: url,
  })
  const start = (args: readonly string[]) => {
    const [stdout, stderr] = [createSink(), createSink()]
    const outside = { cwd: folder, stdin: Readable.from([]), stdout, stderr, signal: new AbortController().signal, now: Date.now }
    const ended = runCli(args, { program: 'score', environment: environment(), ...outside })
    return { ended, stdout: () => stdout.text(), stderr: () => stderr.text() }
  }
  const run = async (args: readonly string[]): Promise<{ code: number; stderr: string }> => {
    const { ended, stderr } = start(args)
    return { code: await ended, stderr: stderr() }
  }

  test('a file that is replaced while a command runs', async () => {
    const path = join(folder, 'token')
    writeFileSync(path, 'old\n')
    isGood = (token) => {
      writeFileSync(path, 'new\n')
      return token === 'new'
    }
    const { code, stderr } = await run(['ls', '--token-file', 'token'])
    assert.is(code, 0, stderr)
    assert.equal(sent, ['old', 'new'])
  })

  test('a command is run again when its token is refused', async () => {
    isGood = (token) => token === 'token2'
    const { code, stderr } = await run(['ls', '--token-command', 'echo x >> runs; echo token$(wc -l < runs | tr -d " ")'])
    assert.is(code, 0, stderr)
    assert.equal(sent, ['token1', 'token2'])
  })

  const failing: readonly (readonly [name: string, command: string, says: RegExp])[] = [
    ['fails', 'echo a-secret; exit 3', /--token-command\) ended with 3/],
    ['prints nothing', 'true', /printed nothing/],
    ['prints two lines', 'printf "a\\nb\\n"', /holds a blank, a line break/],
  ]
  for (const [name, command, says] of failing) {
    test(`a command that ${name}`, async () => {
      const { code, stderr } = await run(['ls', '--token-command', command])
      assert.ok(code !== 0)
      assert.match(stderr, says)
      assert.not.match(stderr, 'a-secret')
      assert.equal(sent, [])
    })
  }

  test('a token that is refused, with no way to another: told, and asked once', async () => {
    writeFileSync(join(folder, 'token'), 'dead\n')
    isGood = () => false
    const { code, stderr } = await run(['ls', '--token-file', 'token'])
    assert.is(code, 3)
    assert.match(stderr, /token was refused/)
    assert.equal(sent, ['dead'])
  })

  test('log in, use it, have it renewed, log out', async () => {
    const site = await startIssuer()
    try {
      const login = start(['login', '--issuer', site.issuer, '--client-id', 'score', '--json'])
      await until(`the code (${login.stderr()})`, () => login.stdout().includes('verificationUriComplete'))
      const [line = ''] = login.stdout().split('\n')
      await site.decide((JSON.parse(line) as { verificationUriComplete: string }).verificationUriComplete, 'yes')
      assert.is(await login.ended, 0, login.stderr())
      const path = loginPath(environment(), url)
      assert.is(statSync(path).mode & 0o777, 0o600)
      const first = await readLogin(path)
      assert.ok(first?.refreshToken)
      for (const secret of [first?.accessToken, first?.refreshToken])
        assert.not.ok((login.stdout() + login.stderr()).includes(String(secret)))

      isGood = (token) => token !== first?.accessToken
      assert.is((await run(['ls'])).code, 0)
      const second = await readLogin(path)
      assert.equal(sent, [first?.accessToken, second?.accessToken])
      assert.is.not(second?.refreshToken, first?.refreshToken, 'the refresh token was rotated, and the new one kept')

      sent = []
      assert.is((await run(['ls', '--metadata-url', url, '--storage-url', 'http://127.0.0.1:1'])).code, 0)
      assert.equal(sent, [''], 'a token goes to its own service only')

      assert.is((await run(['logout'])).code, 0)
      assert.not.ok(await readLogin(path))
      assert.throws(() => readFileSync(path))
    } finally {
      site.server.closeAllConnections()
      await new Promise((resolve) => site.server.close(resolve))
    }
  })
})
