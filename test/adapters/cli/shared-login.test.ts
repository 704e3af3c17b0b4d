import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import * as assert from 'uvu/assert'
import { loginPath, readLogin, writeLogin } from '../../../adapters/cli/login-store.ts'
import { runCli } from '../../../adapters/cli/run-cli.ts'
import { startIssuer } from '../../auth/oidc-site.ts'
import { suite } from '../../support/suite.ts'
import { createSink } from './support.ts'

type Issuer = Awaited<ReturnType<typeof startIssuer>>

const root = join(import.meta.dirname, '..', '..', '..')

async function stop(server: Server): Promise<void> {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
}

suite('a login that several processes share', (test) => {
  let folder: string
  let issuer: Issuer
  let service: Server
  let url: string
  /** Requests that wait, so that all processes find their token refused at the same time. */
  let waiting: ServerResponse[]
  let together: number
  test.before(async () => {
    issuer = await startIssuer()
    service = createServer(async (request, response) => {
      const token = (request.headers.authorization ?? '').replace('Bearer ', '')
      if ((await issuer.provider.AccessToken.find(token)) !== undefined) {
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ content: [], last: true }))
        return
      }
      waiting.push(response)
      if (waiting.length >= together) for (const held of waiting.splice(0)) held.writeHead(401).end()
    })
    await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(service.address() as AddressInfo).port}`
  })
  test.beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'score-login-'))
    waiting = []
    together = 1
  })
  test.afterEach(() => rmSync(folder, { recursive: true }))
  test.after(async () => {
    await stop(service)
    await stop(issuer.server)
  })

  const environment = (): Record<string, string> => ({
    HOME: folder,
    PATH: process.env['PATH'] ?? '',
    XDG_STATE_HOME: join(folder, 'state'),
    STORAGE_URL: url,
    METADATA_URL: url,
  })

  /** Of the real issuer; `dead`: the access token is none that anybody knows. */
  async function logIn(at: Issuer, { dead = false }: { readonly dead?: boolean } = {}): Promise<{ access: string; refresh: string }> {
    const { provider } = at
    const client = await provider.Client.find('score')
    const grant = new provider.Grant({ accountId: 'ada', clientId: 'score' })
    grant.addOIDCScope('openid offline_access')
    const common = { accountId: 'ada', client, grantId: await grant.save(), scope: 'openid offline_access', gty: 'device_code' }
    const access = dead ? 'a-token-that-is-dead' : await new provider.AccessToken(common as never).save()
    const authTime = Math.floor(Date.now() / 1000)
    const refresh = await new provider.RefreshToken({ ...common, authTime, rotations: 0 } as never).save()
    const login = { url, issuer: at.issuer, clientId: 'score', accessToken: access, refreshToken: refresh }
    await writeLogin(loginPath(environment(), url), login)
    return { access, refresh }
  }

  /** A real process. */
  function start(args: readonly string[]): Promise<{ readonly code: number | null; readonly stderr: string }> {
    const entry = ['--import', join(root, 'node_modules/tsx/dist/esm/index.mjs'), join(root, 'adapters/cli/score.ts')]
    const child = spawn(process.execPath, [...entry, ...args], { cwd: folder, env: environment(), stdio: ['ignore', 'ignore', 'pipe'] })
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    return new Promise((resolve) => child.once('close', (code) => resolve({ code, stderr })))
  }

  async function run(args: readonly string[]): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
    const [stdout, stderr] = [createSink(), createSink()]
    const outside = { cwd: folder, stdin: Readable.from([]), stdout, stderr, signal: new AbortController().signal, now: Date.now }
    const code = await runCli(args, { program: 'score', environment: environment(), ...outside })
    return { code, stdout: stdout.text(), stderr: stderr.text() }
  }

  test('three processes whose token dies at once renew it once: the issuer rotates refresh tokens', async () => {
    const { refresh } = await logIn(issuer, { dead: true })
    together = 3
    let renewals = 0
    const count = (): void => {
      renewals++
    }
    issuer.provider.on('grant.success', count)
    const ended = await Promise.all([start(['ls']), start(['ls']), start(['ls'])])
    issuer.provider.off('grant.success', count)
    for (const { code, stderr } of ended) assert.is(code, 0, stderr)
    assert.is(renewals, 1)
    const login = await readLogin(loginPath(environment(), url))
    assert.ok(login?.refreshToken)
    assert.is.not(login?.refreshToken, refresh)
    assert.ok(await issuer.provider.AccessToken.find(login?.accessToken ?? ''))
  })

  test('logging out revokes the tokens at the issuer', async () => {
    const { access, refresh } = await logIn(issuer)
    const { code, stderr } = await run(['logout'])
    assert.is(code, 0, stderr)
    assert.match(stderr, new RegExp(`and revoked at ${issuer.issuer}`))
    assert.is(await issuer.provider.AccessToken.find(access), undefined)
    assert.is(await issuer.provider.RefreshToken.find(refresh), undefined)
    assert.is(await readLogin(loginPath(environment(), url)), undefined)
    const again = await run(['logout', '--json'])
    assert.equal(JSON.parse(again.stdout), { type: 'logged-out', url, removed: false })
  })

  test('an issuer without revocation: said, and removed here', async () => {
    const other = await startIssuer({ revocation: false })
    try {
      await logIn(other)
      const { code, stdout, stderr } = await run(['logout', '--json'])
      assert.is(code, 0, stderr)
      assert.equal(JSON.parse(stdout.trim().split('\n').at(-1) ?? ''), {
        type: 'logged-out',
        url,
        removed: true,
        revocation: 'unsupported',
      })
      assert.match(stderr, /has no revocation, so the tokens work there until they run out/)
      assert.is(await readLogin(loginPath(environment(), url)), undefined)
    } finally {
      await stop(other.server)
    }
  })

  test('an issuer that is down: said, and removed here', async () => {
    const other = await startIssuer()
    await stop(other.server)
    const { access } = await logIn(other)
    const { code, stderr } = await run(['logout'])
    assert.is(code, 0, stderr)
    assert.match(stderr, /could not be revoked, and work until they run out/)
    assert.not.match(stderr, access)
    assert.is(await readLogin(loginPath(environment(), url)), undefined)
  })
})
