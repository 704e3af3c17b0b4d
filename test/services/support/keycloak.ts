import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { copyFile, mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import { freePort } from '../../support/free-port.ts'

const run = promisify(execFile)

export const realm = 'score'

export interface Keycloak {
  /** `http://127.0.0.1:<port>/realms/score`. */
  readonly realmUrl: string
  /** A user's access token, whose password is `<name>-password`. */
  userToken(name: string): Promise<string>
  /** An access token of the client `cli` itself. */
  clientToken(): Promise<string>
  /** The answer to `uma-ticket` without a mode of its own: a token that carries its permissions. */
  requestingPartyToken(accessToken: string): Promise<string>
  /** Keycloak's own yes or no to one permission, such as `score#READ`. */
  decides(accessToken: string, permission: string): Promise<boolean>
  /** What a user does in a browser to let a device in: the address with the code, name and password, and yes. */
  letDeviceIn(verificationUriComplete: string, name: string): Promise<void>
  /** Makes the realm sign with a new key, and keeps the old one. */
  rotateKeys(): Promise<void>
  /** Ends all sessions of a user. */
  logOut(name: string): Promise<void>
  stop(): Promise<void>
}

const cacheFolder = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'score-sdk-ci', 'keycloak')

/** Where `install-keycloak.sh` has put Keycloak, or why it can't run here. */
export async function findKeycloak(): Promise<{ readonly home: string } | { readonly missing: string }> {
  const entries = await readdir(cacheFolder).catch(() => [])
  const home = entries.find((name) => existsSync(join(cacheFolder, name, '.complete')))
  if (home === undefined) return { missing: `no Keycloak in ${cacheFolder}; test/services/support/install-keycloak.sh puts it there` }
  const java = await run('java', ['-version']).then(
    () => true,
    () => false,
  )
  return java ? { home: join(cacheFolder, home) } : { missing: 'no java' }
}

/** A Keycloak home of its own, so that several can run and nothing stays: the program is linked, the data are not. */
async function ownHome(home: string): Promise<string> {
  const own = await mkdtemp(join(tmpdir(), 'score-keycloak-'))
  for (const name of ['lib', 'conf', 'providers', 'themes']) await symlink(join(home, name), join(own, name))
  // Copied: the script takes the folder that it lies in, with links resolved, as Keycloak's home.
  await mkdir(join(own, 'bin'))
  await copyFile(join(home, 'bin', 'kc.sh'), join(own, 'bin', 'kc.sh'))
  await mkdir(join(own, 'data', 'import'), { recursive: true })
  await copyFile(join(import.meta.dirname, '../../fixtures/keycloak-realm.json'), join(own, 'data', 'import', 'score-realm.json'))
  return own
}

async function ready(url: string, child: ChildProcess, said: () => string): Promise<void> {
  const deadline = Date.now() + 480_000
  while (Date.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`Keycloak ended: ${said().slice(-2000)}`)
    const answer = await fetch(url).catch(() => undefined)
    await answer?.body?.cancel()
    if (answer?.status === 200) return
    await wait(250)
  }
  throw new Error(`Keycloak was not ready in eight minutes: ${said().slice(-2000)}`)
}

async function tokenAt(realmUrl: string, form: Readonly<Record<string, string>>): Promise<string> {
  const answer = await fetch(`${realmUrl}/protocol/openid-connect/token`, { method: 'POST', body: new URLSearchParams(form) })
  const body = (await answer.json()) as { access_token?: string }
  if (body.access_token === undefined) throw new Error(`no token: ${JSON.stringify(body)}`)
  return body.access_token
}

const umaTicket = 'urn:ietf:params:oauth:grant-type:uma-ticket'

async function decisionAt(realmUrl: string, accessToken: string, permission: string): Promise<boolean> {
  const answer = await fetch(`${realmUrl}/protocol/openid-connect/token`, {
    method: 'POST',
    headers: { authorization: `Bearer ${accessToken}` },
    body: new URLSearchParams({ grant_type: umaTicket, audience: 'score', response_mode: 'decision', permission }),
  })
  const body = (await answer.json()) as { readonly result?: boolean; readonly error?: string }
  if (answer.status === 200 && body.result === true) return true
  if (answer.status === 403 && body.error === 'access_denied') return false
  throw new Error(`no decision: ${answer.status} ${JSON.stringify(body)}`)
}

/** A browser without a window: it keeps cookies, follows redirects, and sends the one form of a page. */
function openBrowser() {
  const cookies = new Map<string, string>()
  let page = { url: '', html: '' }
  const load = async (url: string, init: RequestInit = {}): Promise<void> => {
    let [at, now] = [url, init]
    for (let hop = 0; hop < 10; hop++) {
      const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
      const answer = await fetch(at, { ...now, redirect: 'manual', headers: cookie === '' ? {} : { cookie } })
      for (const set of answer.headers.getSetCookie()) {
        const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(set) ?? []
        if (value === '') cookies.delete(name)
        else cookies.set(name, value)
      }
      const location = answer.headers.get('location')
      page = { url: at, html: await answer.text() }
      if (location === null) return
      ;[at, now] = [new URL(location, at).href, {}]
    }
    throw new Error(`${url} sends on in circles`)
  }
  return {
    load,
    html: () => page.html,
    async send(fields: Readonly<Record<string, string>>): Promise<void> {
      const action = /<form[^>]*\saction="([^"]*)"/.exec(page.html)?.[1]?.replaceAll('&amp;', '&')
      if (action === undefined) throw new Error(`${page.url} has no form: ${page.html.replace(/<[^>]*>|\s+/g, ' ').slice(0, 500)}`)
      const hidden = [...page.html.matchAll(/<input[^>]*type="hidden"[^>]*>/g)].map(([tag]) => [
        /name="([^"]*)"/.exec(tag)?.[1] ?? '',
        /value="([^"]*)"/.exec(tag)?.[1] ?? '',
      ])
      await load(new URL(action, page.url).href, { method: 'POST', body: new URLSearchParams([...hidden, ...Object.entries(fields)]) })
    },
  }
}

async function endGroup(child: ChildProcess, exited: Promise<unknown>): Promise<void> {
  if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  await exited
}

/** Starts the real Keycloak on a port of its own with the realm of `test/fixtures`; takes 10 to 70 seconds. */
export async function startKeycloak(home: string): Promise<Keycloak> {
  const own = await ownHome(home)
  const port = await freePort()
  const base = `http://127.0.0.1:${port}`
  const child = spawn(
    join(own, 'bin', 'kc.sh'),
    ['start-dev', '--http-host', '127.0.0.1', '--http-port', String(port), '--db', 'dev-mem', '--import-realm'],
    {
      env: {
        ...process.env,
        KC_BOOTSTRAP_ADMIN_USERNAME: 'admin',
        KC_BOOTSTRAP_ADMIN_PASSWORD: 'admin',
        JAVA_OPTS_KC_HEAP: '-Xms128m -Xmx512m',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    },
  )
  let log = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (log += text))
  const exited = once(child, 'exit')
  const stop = async (): Promise<void> => {
    await endGroup(child, exited)
    await rm(own, { recursive: true })
  }
  const realmUrl = `${base}/realms/${realm}`
  try {
    await ready(`${realmUrl}/.well-known/openid-configuration`, child, () => log)
  } catch (error) {
    await stop()
    throw error
  }

  const admin = async (method: string, path: string, json?: unknown): Promise<unknown> => {
    const token = await tokenAt(`${base}/realms/master`, {
      grant_type: 'password',
      client_id: 'admin-cli',
      username: 'admin',
      password: 'admin',
    })
    const body = json === undefined ? {} : { body: JSON.stringify(json) }
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const answer = await fetch(`${base}/admin/realms/${realm}${path}`, { method, headers, ...body })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
    return text === '' ? undefined : JSON.parse(text)
  }
  const client = { client_id: 'cli', client_secret: 'cli-secret' }
  let priority = 200
  return {
    realmUrl,
    userToken: (name) => tokenAt(realmUrl, { ...client, grant_type: 'password', username: name, password: `${name}-password` }),
    clientToken: () => tokenAt(realmUrl, { ...client, grant_type: 'client_credentials' }),
    async requestingPartyToken(accessToken) {
      const answer = await fetch(`${realmUrl}/protocol/openid-connect/token`, {
        method: 'POST',
        headers: { authorization: `Bearer ${accessToken}` },
        body: new URLSearchParams({ grant_type: umaTicket, audience: 'score' }),
      })
      const body = (await answer.json()) as { readonly access_token?: string }
      if (body.access_token === undefined) throw new Error(`no token: ${JSON.stringify(body)}`)
      return body.access_token
    },
    decides: (accessToken, permission) => decisionAt(realmUrl, accessToken, permission),
    async letDeviceIn(verificationUriComplete, name) {
      const browser = openBrowser()
      await browser.load(verificationUriComplete)
      await browser.send({ username: name, password: `${name}-password` })
      await browser.send({ accept: 'Yes' })
      if (!/success/i.test(browser.html())) throw new Error(`the device was not let in: ${browser.html().slice(0, 2000)}`)
    },
    async rotateKeys() {
      priority += 1
      await admin('POST', '/components', {
        name: `rsa-${priority}`,
        providerId: 'rsa-generated',
        providerType: 'org.keycloak.keys.KeyProvider',
        config: { priority: [String(priority)], enabled: ['true'], active: ['true'], algorithm: ['RS256'], keySize: ['2048'] },
      })
    },
    async logOut(name) {
      const [user] = (await admin('GET', `/users?username=${name}&exact=true`)) as { id: string }[]
      await admin('POST', `/users/${user?.id}/logout`)
    },
    stop,
  }
}
