import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import * as assert from 'uvu/assert'
import { loginPath, writeLogin } from '../../../adapters/cli/login-store.ts'
import { runCli } from '../../../adapters/cli/run-cli.ts'
import { createScoreServer, type ScoreServer } from '../../../adapters/server/index.ts'
import { createStudyAuthorizer, type EmbeddedScore, openEmbeddedScore, ScoreError } from '../../../src/index.ts'
import { startIssuer } from '../../auth/oidc-site.ts'
import { suite } from '../../support/suite.ts'
import { createSink } from './support.ts'

const partBytes = 64 * 1024
const parts = 12
const day = 86_400_000

/** Bytes of which no part is like another. */
const bytes = Buffer.alloc(parts * partBytes, 0)
for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32LE((at * 2_654_435_761) >>> 0, at)

const md5 = createHash('md5').update(bytes).digest('hex')

const goesOn = /What was moved is kept: with a new token the same command goes on from there/

/** What a client of a site lives through: tokens that die, and a real issuer that gives others. */
interface Site {
  readonly url: string
  readonly folder: string
  /** Tokens that are good now. */
  readonly good: Set<string>
  /** Called once, as soon as so many parts of a transfer have moved. */
  whenMoved(parts: number, happen: () => Promise<void> | void): void
  /** Parts of uploads that were registered. */
  registered(): number
  score(): EmbeddedScore
  /** Lets a day go by: signed URLs run out. */
  nextDay(): void
  run(args: readonly string[]): Promise<{ readonly code: number; readonly stderr: string }>
  environment(): Record<string, string>
  close(): Promise<void>
}

async function openSite(isGood: (token: string) => Promise<boolean>): Promise<Site> {
  const folder = mkdtempSync(join(tmpdir(), 'score-dying-'))
  const good = new Set<string>()
  let later = 0
  let moved = 0
  let registered = 0
  let plan: { readonly at: number; readonly happen: () => Promise<void> | void } | undefined
  const verifier = {
    async verify(token: string) {
      if (good.has(token) || (await isGood(token))) return { subject: 'ada', scopes: new Set(['score.READ', 'score.WRITE']) }
      throw new ScoreError('unauthenticated', 'the access token has run out')
    },
  }
  const server: ScoreServer<EmbeddedScore> = createScoreServer<EmbeddedScore>(
    (publicUrl) =>
      openEmbeddedScore({
        dataDir: join(folder, 'data'),
        publicUrl,
        durable: false,
        partPlan: { floorBytes: partBytes, partSizeBytes: partBytes },
        now: () => Date.now() + later,
        authorizer: ({ metadata }) => createStudyAuthorizer({ verifier, metadata }),
      }),
    {
      port: 0,
      async onRequest({ method, route, status }) {
        if (route === '/upload/:objectId/parts' && method === 'POST' && status === 200) registered++
        else if (!(route === '/store' && method === 'GET' && status < 300)) return
        moved++
        if (plan === undefined || moved < plan.at) return
        const { happen } = plan
        plan = undefined
        await happen()
      },
    },
  )
  const { url, score } = await server.listen()
  const environment = (): Record<string, string> => ({
    HOME: folder,
    PATH: process.env['PATH'] ?? '',
    XDG_STATE_HOME: join(folder, 'state'),
    STORAGE_URL: url,
    METADATA_URL: url,
    TRANSPORT_PARALLEL: '1',
  })
  return {
    url,
    folder,
    good,
    environment,
    whenMoved(at, happen) {
      moved = 0
      plan = { at, happen }
    },
    registered: () => registered,
    score: () => score,
    nextDay() {
      later += 10 * day
    },
    async run(args) {
      const [stdout, stderr] = [createSink(), createSink()]
      const outside = { cwd: folder, stdin: Readable.from([]), stdout, stderr, signal: new AbortController().signal, now: Date.now }
      const code = await runCli(args, { program: 'score', environment: environment(), ...outside })
      return { code, stderr: stderr.text() }
    },
    async close() {
      await server.close({ deadlineSeconds: 1 })
      await score.close()
      rmSync(folder, { recursive: true })
    },
  }
}

suite('a token that dies in a transfer', (test) => {
  let issuer: Awaited<ReturnType<typeof startIssuer>>
  let site: Site
  test.before(async () => {
    issuer = await startIssuer()
    site = await openSite(async (token) => (await issuer.provider.AccessToken.find(token)) !== undefined)
    writeFileSync(join(site.folder, 'a.bin'), bytes)
  })
  test.after(async () => {
    await site.close()
    issuer.server.closeAllConnections()
    await new Promise((resolve) => issuer.server.close(resolve))
  })

  let serial = 0
  async function registeredObject(): Promise<{ readonly objectId: string; publish(): Promise<unknown> }> {
    const { catalogue } = site.score()
    await catalogue.ensureStudy('DEMO')
    serial++
    const file = {
      fileName: `a${serial}.bin`,
      fileType: 'BIN',
      fileSize: bytes.length,
      fileMd5sum: md5,
      fileAccess: 'controlled',
      dataType: 'x',
    }
    const payload = { studyId: 'DEMO', analysisType: { name: 'fileSet' }, files: [file] }
    const { analysisId } = await catalogue.submit('DEMO', payload, { allowDuplicates: true })
    const [row] = await catalogue.files('DEMO', analysisId)
    return { objectId: (row as { objectId: string }).objectId, publish: () => catalogue.publish('DEMO', analysisId) }
  }

  /** A login as `score login` leaves it, with tokens of the real issuer. */
  async function logIn(): Promise<string> {
    const { provider } = issuer
    const client = await provider.Client.find('score')
    const grant = new provider.Grant({ accountId: 'ada', clientId: 'score' })
    grant.addOIDCScope('openid offline_access')
    const common = { accountId: 'ada', client, grantId: await grant.save(), scope: 'openid offline_access', gty: 'device_code' }
    const access = await new provider.AccessToken(common as never).save()
    const refresh = await new provider.RefreshToken({ ...common, authTime: Math.floor(Date.now() / 1000), rotations: 0 } as never).save()
    await writeLogin(loginPath(site.environment(), site.url), {
      url: site.url,
      issuer: issuer.issuer,
      clientId: 'score',
      accessToken: access,
      refreshToken: refresh,
    })
    return access
  }

  /** How a command gets its token, and what happens to it in the middle. */
  const renewals: Readonly<Record<string, () => Promise<{ readonly args: readonly string[]; die(): Promise<void> }>>> = {
    'a token file that is replaced': async () => {
      writeFileSync(join(site.folder, 'token'), 'first-token\n')
      site.good.add('first-token')
      const die = async (): Promise<void> => {
        site.good.delete('first-token')
        site.good.add('second-token')
        writeFileSync(join(site.folder, 'token'), 'second-token\n')
      }
      return { args: ['--token-file', 'token'], die }
    },
    'a command that prints another': async () => {
      writeFileSync(join(site.folder, 'printed'), 'third-token\n')
      site.good.add('third-token')
      const die = async (): Promise<void> => {
        site.good.delete('third-token')
        site.good.add('fourth-token')
        writeFileSync(join(site.folder, 'printed'), 'fourth-token\n')
      }
      return { args: ['--token-command', 'cat printed'], die }
    },
    'a login with a refresh token': async () => {
      const access = await logIn()
      const die = async (): Promise<void> => {
        const token = await issuer.provider.AccessToken.find(access)
        await token?.destroy()
      }
      return { args: [], die }
    },
  }

  for (const [name, prepare] of Object.entries(renewals)) {
    test(`${name}: an upload goes on with the next`, async () => {
      const { objectId } = await registeredObject()
      const { args, die } = await prepare()
      const before = site.registered()
      let died = false
      site.whenMoved(4, async () => {
        await die()
        died = true
      })
      const { code, stderr } = await site.run(['upload', '--object-id', objectId, '--file', './a.bin', '--md5', md5, ...args])
      assert.is(code, 0, stderr)
      assert.ok(died)
      assert.is(site.registered() - before, parts, 'no part was sent twice')
    })

    test(`${name}: a download goes on with the next`, async () => {
      const { objectId, publish } = await registeredObject()
      site.good.add('uploader')
      writeFileSync(join(site.folder, 'uploader'), 'uploader\n')
      const uploaded = await site.run(['upload', '--object-id', objectId, '--file', './a.bin', '--md5', md5, '--token-file', 'uploader'])
      assert.is(uploaded.code, 0, uploaded.stderr)
      await publish()
      const { args, die } = await prepare()
      let died = false
      site.whenMoved(4, async () => {
        site.nextDay()
        await die()
        died = true
      })
      const { code, stderr } = await site.run(['download', '--object-id', objectId, '--output-dir', `out${serial}`, ...args])
      assert.is(code, 0, stderr)
      assert.ok(died)
      assert.equal(readFileSync(join(site.folder, `out${serial}`, `a${serial}.bin`)), bytes)
    })
  }

  test('without another: an upload stops, says how to go on, and goes on with a new token', async () => {
    const { objectId } = await registeredObject()
    writeFileSync(join(site.folder, 'only'), 'only-token\n')
    site.good.add('only-token')
    const before = site.registered()
    site.whenMoved(4, () => void site.good.delete('only-token'))
    const args = ['upload', '--object-id', objectId, '--file', './a.bin', '--md5', md5, '--token-file', 'only']
    const stopped = await site.run(args)
    assert.is(stopped.code, 3, stopped.stderr)
    assert.match(stopped.stderr, /token was refused/)
    assert.match(stopped.stderr, goesOn)
    const moved = site.registered() - before
    assert.ok(moved > 0 && moved < parts, `${moved} parts`)
    writeFileSync(join(site.folder, 'only'), 'new-token\n')
    site.good.add('new-token')
    const resumed = await site.run(args)
    assert.is(resumed.code, 0, resumed.stderr)
    assert.is(site.registered() - before, parts, 'only what was missing was sent')
  })

  test('without another: a download stops, says how to go on, and goes on with a new token', async () => {
    const { objectId, publish } = await registeredObject()
    writeFileSync(join(site.folder, 'only'), 'down-token\n')
    site.good.add('down-token')
    assert.is((await site.run(['upload', '--object-id', objectId, '--file', './a.bin', '--md5', md5, '--token-file', 'only'])).code, 0)
    await publish()
    site.whenMoved(4, () => {
      site.nextDay()
      site.good.delete('down-token')
    })
    const args = ['download', '--object-id', objectId, '--output-dir', 'stopped', '--token-file', 'only']
    const stopped = await site.run(args)
    assert.is(stopped.code, 3, stopped.stderr)
    assert.match(stopped.stderr, /token was refused/)
    assert.match(stopped.stderr, goesOn)
    writeFileSync(join(site.folder, 'only'), 'down-again\n')
    site.good.add('down-again')
    const resumed = await site.run(args)
    assert.is(resumed.code, 0, resumed.stderr)
    assert.equal(readFileSync(join(site.folder, 'stopped', `a${serial}.bin`)), bytes)
  })
})
