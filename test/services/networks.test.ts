import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { freePort } from '../support/free-port.ts'
import { suite } from '../support/suite.ts'
import { openProcessHouse, type ProcessHouse } from './support/process-house.ts'
import { type ProgramRun, type ScoreProcess, startProgram, startScoreServer } from './support/score-process.ts'
import { howToGet, isThere, type StoreProgram } from './support/store-program.ts'

const nginx: StoreProgram = { name: 'nginx', packages: ['nginx-light'], commands: ['nginx'] }
const haproxy: StoreProgram = { name: 'haproxy', packages: ['haproxy'], commands: ['haproxy'] }
const squid: StoreProgram = { name: 'squid', packages: ['squid'], commands: ['squid'] }

const squidName = `score${process.pid}`

/** Only squid knows this name. */
const hidden = 'score.test'

interface Site {
  readonly house: ProcessHouse
  readonly server: ScoreProcess
  readonly data: string
  readonly ca: string
}

/** Shared memory that a killed squid leaves. */
async function leftBy(folder: string, start: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch(() => [])
  return names.filter((name) => name.startsWith(`${start}-`)).map((name) => join(folder, name))
}

async function makeCertificate(house: ProcessHouse): Promise<string> {
  const [key, cert] = [join(house.folder, 'key.pem'), join(house.folder, 'cert.pem')]
  const kind = ['-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', `/CN=${hidden}`]
  const names = ['-addext', `subjectAltName=DNS:${hidden},DNS:localhost,IP:127.0.0.1`]
  execFileSync('openssl', ['req', ...kind, ...names, '-keyout', key, '-out', cert], { stdio: 'ignore' })
  await writeFile(join(house.folder, 'both.pem'), `${await readFile(cert, 'utf8')}${await readFile(key, 'utf8')}`)
  return cert
}

/** A server on the embedded default that tells its clients `publicUrl`. */
async function openSite(house: ProcessHouse, port: number, publicUrl: string, env: Readonly<Record<string, string>> = {}): Promise<Site> {
  const data = join(house.folder, 'data')
  const args = ['serve', '--data', data, '--port', String(port), '--public-url', publicUrl]
  const server = await startScoreServer({ cwd: house.folder, env }, args)
  return { house, server, data, ca: join(house.folder, 'cert.pem') }
}

async function score(site: Site, url: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<ProgramRun> {
  const token = (await readFile(join(site.data, 'token'), 'utf8')).trim()
  const surroundings = { STORAGE_URL: url, METADATA_URL: url, ACCESSTOKEN: token, STORAGE_RETRYNUMBER: '2', ...env }
  return startProgram(args, { cwd: site.house.folder, env: surroundings }).finished
}

/** The main job: a file of several parts goes up, is published, and comes back, whole and in part. */
async function moveAround(site: Site, url: string, more: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<void> {
  const { folder } = site.house
  const bytes = randomBytes(25 * 1024 * 1024)
  await writeFile(join(folder, 'a.bin'), bytes)
  const up = await score(site, url, ['upload', './a.bin', '--study', 'TEST-CA', '--json', ...more], env)
  assert.is(up.code, 0, up.stderr + up.stdout)
  const objectId = /"objectId":"([0-9a-f-]{36})"/.exec(up.stdout)?.[1] ?? ''
  const down = await score(site, url, ['download', '--object-id', objectId, '--output-dir', 'back', ...more], env)
  assert.is(down.code, 0, down.stderr)
  const back = await readFile(join(folder, 'back', 'a.bin'))
  assert.is(createHash('md5').update(back).digest('hex'), createHash('md5').update(bytes).digest('hex'))
  const range = ['download', '--object-id', objectId, '--output-dir', 'part', '--offset', '21000000', '--length', '1000', ...more]
  const part = await score(site, url, range, env)
  assert.is(part.code, 0, part.stderr)
}

function nginxConfig(house: ProcessHouse, { port, behind, location }: { port: number; behind: number; location: string }): string {
  return `daemon off; pid ${house.folder}/nginx.pid; error_log stderr; master_process off;
events {}
http {
  access_log off;
  client_body_temp_path ${house.folder}/body; proxy_temp_path ${house.folder}/proxy;
  fastcgi_temp_path ${house.folder}/fastcgi; uwsgi_temp_path ${house.folder}/uwsgi; scgi_temp_path ${house.folder}/scgi;
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_certificate ${house.folder}/cert.pem; ssl_certificate_key ${house.folder}/key.pem;
    client_max_body_size 0; proxy_request_buffering off; proxy_buffering off; proxy_http_version 1.1;
    location ${location} { proxy_pass http://127.0.0.1:${behind}/; }
  }
}
`
}

const haproxyConfig = (house: ProcessHouse, { port, behind }: { readonly port: number; readonly behind: number }): string => `
defaults
  mode http
  timeout connect 10s
  timeout client 60s
  timeout server 60s
frontend public
  bind 127.0.0.1:${port} ssl crt ${house.folder}/both.pem alpn h2,http/1.1
  default_backend score
backend score
  server one 127.0.0.1:${behind}
`

const squidConfig = (house: ProcessHouse, port: number): string => `
http_port 127.0.0.1:${port}
hosts_file ${house.folder}/squid/hosts
auth_param basic program /usr/lib/squid/basic_ncsa_auth ${house.folder}/squid/passwords
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
pid_filename none
cache deny all
access_log stdio:${house.folder}/squid/access.log
cache_log ${house.folder}/squid/cache.log
coredump_dir ${house.folder}/squid
shutdown_lifetime 0 seconds
`

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    }).on('error', () => resolve(false))
  })
}

suite<{ house: ProcessHouse; sites: Site[] }>('services/networks', (test) => {
  test.beforeEach(async (context) => {
    context.house = await openProcessHouse()
    context.sites = []
  })
  test.afterEach(async ({ house, sites }) => {
    for (const { server } of sites) await server.kill()
    await house.stop()
    for (const segment of await leftBy('/dev/shm', squidName)) await rm(segment)
  })

  /** nginx that takes the prefix off, with a certificate of our own. @returns the public address and the port behind it */
  async function behindNginx(context: { house: ProcessHouse; sites: Site[] }, name: string): Promise<{ site: Site; url: string }> {
    const { house } = context
    await makeCertificate(house)
    const [port, behind] = [await freePort(), await freePort()]
    const url = `https://${name}:${port}/genomics/score`
    await writeFile(join(house.folder, 'nginx.conf'), nginxConfig(house, { port, behind, location: '/genomics/score/' }))
    house.start('nginx', 'nginx', ['-p', house.folder, '-c', join(house.folder, 'nginx.conf')])
    const site = await openSite(house, behind, url)
    context.sites.push(site)
    await house.until('nginx', () => listens(port))
    return { site, url }
  }

  const withParts = (
    parts: readonly StoreProgram[],
    name: string,
    body: (context: { house: ProcessHouse; sites: Site[] }) => Promise<void>,
  ) => {
    const missing = parts.filter((part) => !isThere(part)).map(howToGet)
    if (missing.length === 0) test(name, body)
    else test.skip(name, missing.join('; '))
  }

  withParts([nginx], 'behind nginx with TLS and a path prefix, by --ca', async (context) => {
    const { site, url } = await behindNginx(context, 'localhost')
    await moveAround(site, url, ['--ca', site.ca])
    const extra = await score(site, url, ['ls'], { NODE_EXTRA_CA_CERTS: site.ca })
    assert.is(extra.code, 0, extra.stderr)
    const stranger = await score(site, url, ['ls'])
    assert.is.not(stranger.code, 0)
    assert.match(stranger.stderr, /self-signed.*--ca/s)
  })

  withParts([haproxy], 'behind haproxy with TLS, the prefix passed on', async (context) => {
    const { house } = context
    await makeCertificate(house)
    const [port, behind] = [await freePort(), await freePort()]
    const url = `https://localhost:${port}/score`
    await writeFile(join(house.folder, 'haproxy.cfg'), haproxyConfig(house, { port, behind }))
    house.start('haproxy', 'haproxy', ['-db', '-f', join(house.folder, 'haproxy.cfg')])
    const site = await openSite(house, behind, url, {
      SPRING_PROFILES_ACTIVE: 'default',
      SERVER_SERVLET_CONTEXT_PATH: '/score',
    })
    context.sites.push(site)
    await house.until('haproxy', () => listens(port))
    await moveAround(site, url, ['--ca', site.ca])
  })

  withParts([squid, nginx], 'through squid with a password, to a host that only squid knows', async (context) => {
    const { house } = context
    const { site, url } = await behindNginx(context, hidden)
    const port = await freePort()
    // It drops root's rights by itself, and must still reach its files.
    const files = join(house.folder, 'squid')
    await mkdir(files)
    await chmod(files, 0o777)
    await chmod(house.folder, 0o755)
    await writeFile(join(files, 'hosts'), `127.0.0.1 ${hidden}\n`)
    const hash = execFileSync('openssl', ['passwd', '-apr1', 'pa ss'], { encoding: 'utf8' }).trim()
    await writeFile(join(files, 'passwords'), `ann:${hash}\n`)
    await writeFile(join(house.folder, 'squid.conf'), squidConfig(house, port))
    // A name of its own: another squid of this machine, or one that was killed, holds the shared memory of the usual name.
    house.start('squid', 'squid', ['-N', '-n', squidName, '-f', join(house.folder, 'squid.conf')])
    await house.until('squid', () => listens(port))
    const proxy = `http://ann:pa%20ss@127.0.0.1:${port}`
    await moveAround(site, url, ['--ca', site.ca], { HTTPS_PROXY: proxy })
    const log = await readFile(join(files, 'access.log'), 'utf8')
    assert.ok(log.split('\n').filter((line) => line.includes(`CONNECT ${hidden}:`)).length > 3, log)

    const nameless = await score(site, url, ['ls', '--ca', site.ca], { HTTPS_PROXY: `http://127.0.0.1:${port}` })
    assert.is.not(nameless.code, 0)
    assert.match(nameless.stderr, /wants a user and password \(407\)/)
    const around = await score(site, url, ['ls', '--ca', site.ca], { HTTPS_PROXY: proxy, NO_PROXY: '.test' })
    assert.is.not(around.code, 0)
    assert.match(around.stderr, /no such host|cannot be looked up/)
    const dead = await score(site, url, ['ls', '--ca', site.ca], { HTTPS_PROXY: 'http://ann:geheim@127.0.0.1:9' })
    assert.is.not(dead.code, 0)
    assert.not.match(dead.stderr + dead.stdout, /geheim/)
  })
})
