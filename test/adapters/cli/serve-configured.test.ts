import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import * as assert from 'uvu/assert'
import { runCli } from '../../../adapters/cli/run-cli.ts'
import { makeKey } from '../../auth/token-maker.ts'
import { type CatalogueServer, startCatalogueServer } from '../../metadata/catalogue-server.ts'
import { suite } from '../../support/suite.ts'
import { until } from './cli-world.ts'
import { createSink } from './support.ts'

interface Run {
  readonly ended: Promise<number>
  readonly stdout: () => string
  readonly stderr: () => string
  stop(): void
}

suite('score serve from settings', (test) => {
  let folder: string
  let song: CatalogueServer
  test.before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'score-serve-'))
    writeFileSync(join(folder, 'key.pem'), makeKey('k').pem)
    song = await startCatalogueServer()
  })
  test.after(async () => {
    await song.close()
    rmSync(folder, { recursive: true })
  })

  const start = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Run => {
    const [stdout, stderr, stop] = [createSink(), createSink(), new AbortController()]
    const ended = runCli(['serve', ...args], {
      program: 'score',
      environment: { HOME: folder, XDG_STATE_HOME: join(folder, 'state'), XDG_CONFIG_HOME: join(folder, 'config'), ...env },
      cwd: folder,
      stdin: Readable.from([]),
      stdout,
      stderr,
      signal: stop.signal,
      now: Date.now,
    })
    return { ended, stdout: () => stdout.text(), stderr: () => stderr.text(), stop: () => stop.abort() }
  }
  const finished = async (
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<{ code: number; stdout: string; stderr: string }> => {
    const run = start(args, env)
    const code = await run.ended
    return { code, stdout: run.stdout(), stderr: run.stderr() }
  }
  const linesOf = (stdout: string): Record<string, unknown>[] =>
    stdout
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>)

  const deployment = (): Record<string, string> => ({
    SPRING_PROFILES_ACTIVE: 'secure',
    SERVER_PORT: '0',
    SERVER_ADDRESS: '127.0.0.1',
    SCORE_DATA: join(folder, 'data'),
    METADATA_URL: song.url,
    SPRING_SECURITY_OAUTH2_RESOURCESERVER_JWT_PUBLICKEYLOCATION: join(folder, 'key.pem'),
    SERVER_SERVLET_CONTEXTPATH: '/score',
  })

  test('a bare `score serve` serves what the environment says, and ends when told', async () => {
    const server = start(['--json'], deployment())
    await until(`the server (${server.stderr()})`, () => server.stdout().includes('"ready"'))
    const ready = linesOf(server.stdout()).find(({ type }) => type === 'ready')
    const url = String(ready?.['url'])
    assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/score$/)
    assert.is(ready?.['tokenFile'], undefined)
    assert.is((await fetch(`${url}/download/ping`)).status, 200)
    assert.is(
      (await fetch(`${url}/upload/5be58fbb-775b-5259-bbbd-555e07fbdf24`, { headers: { authorization: 'Bearer nobody' } })).status,
      401,
    )
    assert.is((await fetch(`${url}/entities`)).status, 401, 'Song is elsewhere, so there is no catalogue here')
    server.stop()
    assert.is(await server.ended, 0)
    await failsToConnect(url)
  })

  test('an audit line for every decision, and counters of decisions, of the store and of Song', async () => {
    const log = join(folder, 'audit.log')
    const server = start(['--json', '--log', log, '--metrics-port', '0'], deployment())
    await until(`the server (${server.stderr()})`, () => server.stdout().includes('"ready"'))
    const ready = linesOf(server.stdout()).find(({ type }) => type === 'ready')
    const objectId = '5be58fbb-775b-5259-bbbd-555e07fbdf24'
    assert.is((await fetch(`${String(ready?.['url'])}/download/${objectId}?offset=0&length=-1`)).status, 404)
    assert.is((await fetch(`${String(ready?.['url'])}/download/ping`)).status, 200)
    const metrics = await (await fetch(String(ready?.['metricsUrl']))).text()
    server.stop()
    assert.is(await server.ended, 0, server.stderr())
    const decision = linesOf(readFileSync(log, 'utf8')).find(({ event }) => event === 'decision')
    assert.is(decision?.['objectId'], objectId)
    assert.is(decision?.['outcome'], 'denied')
    assert.match(String(decision?.['requestId']), /^[0-9a-f-]{36}$/)
    assert.match(metrics, /^score_auth_decisions_total\{action="download",outcome="denied"\} 1$/m)
    assert.match(metrics, /^score_presigned_urls_total\{action="get"\} 1$/m)
    assert.match(metrics, /^score_store_call_duration_seconds_count\{operation="presign",outcome="done"\} 1$/m)
    assert.match(metrics, /^score_song_call_duration_seconds_count\{operation="entity",outcome="failed"\} 1$/m)
  })

  const failsToConnect = async (url: string): Promise<void> => {
    assert.ok(
      await fetch(`${url}/download/ping`).then(
        () => false,
        () => true,
      ),
    )
  }

  test('a folder of files: the profile’s own file counts, the command line wins', async () => {
    const files = join(folder, 'conf')
    mkdirSync(files)
    writeFileSync(
      join(files, 'application.yml'),
      'spring.profiles.active: secure,site\nbucket:\n  name:\n    object: base\nobject.sentinel: base\n',
    )
    writeFileSync(join(files, 'application-site.properties'), 'bucket.name.object = site\nserver.port=1234\n')
    const { code, stdout } = await finished(['--show-config', '--json', '--config', 'conf', '--port', '4321'], { SCORE_DATA: 'd' })
    assert.is(code, 2, 'nothing says how tokens are verified')
    const [shown] = linesOf(stdout)
    const settings = new Map(
      ((shown as { settings: unknown }).settings as { key: string; value: string; source: string }[]).map((row) => [row.key, row]),
    )
    assert.is(settings.get('bucket.name.object')?.value, 'site')
    assert.match(settings.get('bucket.name.object')?.source ?? '', /^file .*application-site\.properties$/)
    assert.is(settings.get('object.sentinel')?.value, 'base')
    assert.is(settings.get('server.port')?.source, 'option --port')
    assert.is(settings.get('score.data')?.source, 'environment SCORE_DATA')
  })

  test('places that Spring is told of are read, those inside of its program are not', async () => {
    writeFileSync(join(folder, 'site.yml'), 'object.sentinel: mine\n')
    const env = { SPRING_CONFIG_LOCATION: `classpath:/application.yml,optional:file:nowhere.yml,file:${join(folder, 'site.yml')}` }
    const { stdout } = await finished(['--show-config'], env)
    assert.match(stdout, /^object\.sentinel +mine +\[file .*site\.yml\]$/m)
    const gone = await finished([], { SPRING_CONFIG_LOCATION: 'file:nowhere.yml' })
    assert.is(gone.code, 2)
    assert.match(gone.stderr, /nowhere\.yml \(environment SPRING_CONFIG_LOCATION\) does not exist/)
  })

  test('--show-config shows where each comes from, and no secret', async () => {
    const env = {
      ...deployment(),
      AUTH_SERVER_CLIENTSECRET: 'hush-hush-hush-hush',
      S3_SECRETKEY: 'very-hush-indeed',
      UPLOAD_CLEAN_CRON: 'x',
    }
    const { code, stdout, stderr } = await finished(['--show-config'], env)
    assert.is(code, 0, stdout)
    assert.match(stdout, /^metadata\.url +http\S+ +\[environment METADATA_URL\]$/m)
    assert.match(stdout, /^upload\.clean\.cron +x +\[environment UPLOAD_CLEAN_CRON; no effect: /m)
    assert.match(stdout, /^auth\.server\.clientSecret +•••• ?/m)
    for (const secret of ['hush-hush', 'very-hush']) assert.not.ok((stdout + stderr).includes(secret))
  })

  const refused: readonly (readonly [name: string, args: readonly string[], env: () => Record<string, string>, says: RegExp])[] = [
    ['nothing at all', [], () => ({}), /has neither a store \(s3, azure\) nor is there a data folder/],
    [
      'everyone, everywhere',
      ['--auth', 'none'],
      () => ({ SCORE_DATA: 'd', SERVER_ADDRESS: '0.0.0.0' }),
      /--auth none|access none .*for this machine alone/,
    ],
    [
      'a nameless local store on all addresses',
      [],
      () => ({ ...deployment(), SERVER_ADDRESS: '0.0.0.0' }),
      /set SCORE_PUBLIC_URL or --public-url/,
    ],
    [
      'by default all addresses with a profile',
      [],
      () => ({ ...deployment(), SERVER_ADDRESS: '' }),
      /on 0\.0\.0\.0 it does not know its name/,
    ],
    [
      'two errors at once',
      [],
      () => ({ ...deployment(), SERVER_PORT: 'x', S3_SECURED: 'y' }),
      /SERVER_PORT must be.*\n.*S3_SECURED must be/,
    ],
    ['--fix alone', ['--fix'], () => ({}), /--fix goes with --check/],
  ]
  for (const [name, args, env, says] of refused) {
    test(`refused: ${name}`, async () => {
      const { code, stderr } = await finished(args, env())
      assert.is(code, 2, stderr)
      assert.match(stderr, says)
    })
  }

  test('--check: all is well', async () => {
    const { code, stdout, stderr } = await finished(['--check'], deployment())
    assert.is(code, 0, stdout)
    assert.match(stdout, /^good {3}song: Song answers at http/m)
    assert.match(stdout, /^good {3}keys of tokens: /m)
    assert.match(stdout, /^good {3}sentinel: /m)
    assert.match(stderr, /the iss of access tokens is not checked/)
    assert.match(stderr, /All is well\.$/m)
  })

  test('--check names what is wrong, and exits with 2', async () => {
    const env = { ...deployment(), METADATA_URL: 'http://127.0.0.1:1', BUCKET_NAME_OBJCT: 'x' }
    const { code, stdout, stderr } = await finished(['--check', '--json'], env)
    assert.is(code, 2, stderr)
    const checks = linesOf(stdout)
    const song = checks.find(({ name }) => name === 'song')
    assert.is(song?.['outcome'], 'bad')
    assert.equal(checks.at(-1), { type: 'checked', checks: checks.length - 2, wrong: 2 })
    assert.ok(checks.some(({ type, setting }) => type === 'finding' && setting === 'BUCKET_NAME_OBJCT'))
  })

  test('--check on a bucket that does not answer says so, and makes nothing', async () => {
    const env = {
      ...deployment(),
      SPRING_PROFILES_ACTIVE: 'secure,s3',
      S3_ENDPOINT: 'http://127.0.0.1:1',
      S3_ACCESSKEY: 'a',
      S3_SECRETKEY: 'a-secret-of-the-store',
      S3_RETRYLIMIT: '0',
    }
    const { code, stdout, stderr } = await finished(['--check', '--fix'], env)
    assert.is(code, 2)
    assert.match(stdout, /^bad {4}sentinel: /m)
    assert.match(stdout, /^bad {4}clock of http:\/\/127\.0\.0\.1:1: /m)
    assert.not.ok((stdout + stderr).includes('a-secret-of-the-store'))
  })
})
