import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { createHttpSource } from '../../src/bytes/http-source.ts'
import { createScoreClient } from '../../src/client/score-client.ts'
import { isScoreError, type ProblemCode } from '../../src/core/errors.ts'
import { createHttpClient } from '../../src/http/http-client.ts'
import { type Network, type Proxies, proxiesOfEnvironment, proxyOf, trustedAuthorities } from '../../src/http/network.ts'
import { createNetworkFetch } from '../../src/http/network-fetch.ts'
import { createPooledFetch } from '../../src/http/pooled-fetch.ts'
import { createPartTransport } from '../../src/transfer/transport/create-part-transport.ts'
import { failureOf } from '../support/failure-of.ts'
import { type ForwardProxy, startForwardProxy } from '../support/forward-proxy.ts'
import { suite } from '../support/suite.ts'

const proxies: Proxies = { https: 'http://proxy:1', http: 'http://proxy:2' }

suite('http/network: which proxy', (test) => {
  const rows: readonly (readonly [url: string, bypass: readonly string[], proxied: boolean])[] = [
    ['https://store.example.org', [], true],
    ['https://store.example.org', ['*'], false],
    ['https://store.example.org', ['example.org'], false],
    ['https://store.example.org', ['.example.org'], false],
    ['https://store.example.org', ['*.example.org'], false],
    ['https://STORE.example.org', ['Store.Example.ORG'], false],
    ['https://store.example.org.', ['example.org'], false],
    ['https://store.example.org', ['ample.org'], true],
    ['https://store.example.org', ['example.org.uk', ''], true],
    ['https://store.example.org', ['example.org:443'], false],
    ['https://store.example.org', ['example.org:8443'], true],
    ['https://store.example.org:8443', ['example.org:8443'], false],
    ['https://10.1.2.3', ['10.0.0.0/8'], false],
    ['https://10.1.2.3', ['10.1.2.3'], false],
    ['https://110.1.2.3', ['10.1.2.3', '1.2.3'], true],
    ['https://11.1.2.3', ['10.0.0.0/8', '10.0.0.0/99', 'x/8'], true],
    ['https://[fd00::7]', ['fd00::/8'], false],
    ['https://[fd00::7]', ['[fd00::7]:443'], false],
    ['https://[fe00::7]', ['fd00::/8'], true],
    ['https://localhost:5431', [], false],
    ['http://127.0.0.9', [], false],
    ['http://[::1]:80', [], false],
    ['http://localhost.example.org', [], true],
  ]
  for (const [url, bypass, proxied] of rows) {
    test(`${url} with NO_PROXY '${bypass}' goes ${proxied ? 'through it' : 'directly'}`, () => {
      const { protocol, hostname, port } = new URL(url)
      const secure = protocol === 'https:'
      const target = { secure, host: hostname, port: Number(port || (secure ? 443 : 80)) }
      assert.is(proxyOf(target, { ...proxies, bypass }), proxied ? (secure ? proxies.https : proxies.http) : undefined)
    })
  }

  test('the environment: either case, the lower one first, a scheme is added, nothing set is no proxy', () => {
    assert.is(proxiesOfEnvironment({ NO_PROXY: 'x' }), undefined)
    assert.equal(proxiesOfEnvironment({ HTTPS_PROXY: 'p:3128', NO_PROXY: 'a, b  c,' }), { https: 'http://p:3128', bypass: ['a', 'b', 'c'] })
    assert.equal(proxiesOfEnvironment({ http_proxy: 'https://low', HTTP_PROXY: 'http://up', no_proxy: 'l', NO_PROXY: 'u' }), {
      http: 'https://low',
      bypass: ['l'],
    })
    assert.is(proxiesOfEnvironment({ HTTPS_PROXY: ' ', https_proxy: '' }), undefined)
  })

  test('a proxy of another kind is refused, and its password is not told', () => {
    for (const value of ['socks5://user:geheim@p:1080', 'http://user:geheim@']) {
      try {
        proxiesOfEnvironment({ HTTPS_PROXY: value })
        assert.unreachable()
      } catch (error) {
        assert.ok(isScoreError(error, 'invalid-configuration'), String(error))
        assert.match(error.message, /HTTPS_PROXY.*NO_PROXY/)
        assert.not.match(error.message, /geheim/)
      }
    }
  })
})

interface Peer {
  readonly port: number
  readonly seen: { readonly path: string; readonly headers: IncomingMessage['headers']; readonly body: string }[]
  close(): Promise<void>
}

async function startPeer(tls: { readonly key: string; readonly cert: string } | undefined): Promise<Peer> {
  const seen: Peer['seen'] = []
  const listener: RequestListener = async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    seen.push({ path: request.url ?? '', headers: request.headers, body })
    if (request.headers.range) response.writeHead(206, { 'content-range': 'bytes 0-4/5', etag: '"e"' }).end('hello')
    else response.writeHead(200, { 'content-type': 'application/json', etag: '"e"' }).end('true')
  }
  const server = tls ? createTlsServer(tls, listener) : createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function makeCertificate(folder: string): { readonly key: string; readonly cert: string } {
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const kind = ['-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=store.test']
  const names = ['-addext', 'subjectAltName=DNS:store.test,DNS:score.test,IP:127.0.0.1']
  execFileSync('openssl', ['req', ...kind, ...names, '-keyout', key, '-out', cert], { stdio: 'ignore' })
  return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') }
}

/** One request of each plane, by the name that only the proxy knows. */
async function askAll(scheme: 'http' | 'https', network: Network, folder: string): Promise<void> {
  const path = join(folder, 'part')
  writeFileSync(path, '-----')
  for (const createFetch of [createNetworkFetch, createPooledFetch]) {
    const client = createScoreClient({ url: `${scheme}://score.test`, fetch: createFetch(network), retry: { attempts: 1 } })
    assert.is(await client.objectExists('00000000-0000-4000-8000-000000000000'), true)
  }
  const url = `${scheme}://store.test/o?name=%7B%22a%22%3A1%7D&plus=a+b'c`
  for (const workers of [0, 1]) {
    const transport = createPartTransport({ workers, network })
    try {
      await transport.fetchPart({ url, range: { start: 0, end: 5 }, path, position: 0 })
      assert.is(readFileSync(path, 'utf8'), 'hello')
      await transport.sendPart({ url, range: { start: 0, end: 5 }, from: { path } })
    } finally {
      await transport.close()
    }
  }
  const source = createHttpSource({ url: async () => ({ url }), network, retry: { attempts: 1 } })
  try {
    assert.is(await source.size(), 5)
  } finally {
    await source.close?.()
  }
}

interface Context {
  folder: string
  tls: { readonly key: string; readonly cert: string }
  proxy: ForwardProxy
  peer: Peer
}

suite<Context>('http/network: on the wire', (test) => {
  test.before((context) => {
    context.folder = mkdtempSync(join(tmpdir(), 'score-network-'))
    context.tls = makeCertificate(context.folder)
  })
  test.after(({ folder }) => rmSync(folder, { recursive: true }))
  test.afterEach(async ({ proxy, peer }) => {
    await proxy.close()
    await peer.close()
  })
  const start = async (context: Context, tls: boolean, more: { credentials?: string; refuseWith?: number } = {}): Promise<void> => {
    context.peer = await startPeer(tls ? context.tls : undefined)
    const { port } = context.peer
    context.proxy = await startForwardProxy({ hosts: { 'store.test': port, 'score.test': port }, ...more })
  }

  test('https goes through tunnels, in both planes, with an authority of our own', async (context) => {
    await start(context, true, { credentials: 'ann:p%40ss' })
    const { proxy, peer, folder, tls } = context
    await askAll('https', { ca: tls.cert, proxies: { https: proxy.url } }, folder)
    assert.ok(proxy.seen.includes('CONNECT score.test:443'))
    assert.ok(proxy.seen.filter((line) => line === 'CONNECT store.test:443').length >= 3, proxy.seen.join('\n'))
    assert.is(peer.seen.length, 7)
    for (const { headers } of peer.seen) assert.is(headers['proxy-authorization'], undefined)
    for (const { path } of peer.seen.slice(2)) assert.is(path, "/o?name=%7B%22a%22%3A1%7D&plus=a+b'c")
  })

  test('http goes as whole addresses, not a character changed', async (context) => {
    await start(context, false, { credentials: 'ann:secret' })
    const { proxy, peer, folder } = context
    await askAll('http', { proxies: { http: proxy.url } }, folder)
    assert.ok(
      proxy.seen.every((line) => /^(GET|PUT) http:\/\/(score|store)\.test\//.test(line)),
      proxy.seen.join('\n'),
    )
    assert.is(peer.seen.length, 7)
    for (const { path } of peer.seen.slice(2)) assert.is(path, "/o?name=%7B%22a%22%3A1%7D&plus=a+b'c")
    assert.is(peer.seen[2]?.headers.host, 'store.test')
  })

  test('forms and bodies arrive as they are', async (context) => {
    await start(context, false)
    const { proxy, peer } = context
    const client = createHttpClient({ baseUrl: 'http://score.test', fetch: createNetworkFetch({ proxies: { http: proxy.url } }) })
    const form = new FormData()
    form.set('token', 'ü')
    await client.text({ method: 'POST', path: '/form', form })
    await client.json({ method: 'POST', path: '/json', json: { a: 'ü' } })
    assert.match(peer.seen[0]?.headers['content-type'] ?? '', /^multipart\/form-data; boundary=/)
    assert.match(peer.seen[0]?.body ?? '', /name="token"\r\n\r\nü\r\n/)
    assert.is(peer.seen[1]?.body, '{"a":"ü"}')
  })

  const refusals: readonly (readonly [
    what: string,
    more: { credentials?: string; refuseWith?: number },
    code: ProblemCode,
    text: RegExp,
  ])[] = [
    [
      'wants a password',
      { credentials: 'ann:secret' },
      'invalid-configuration',
      /proxy http:\/\/127\.0\.0\.1:\d+ wants a user and password/,
    ],
    ['does not allow the host', { refuseWith: 403 }, 'invalid-configuration', /refuses to connect to (store|score)\.test.*NO_PROXY/],
    ['cannot reach the host', { refuseWith: 502 }, 'unavailable', /cannot reach (store|score)\.test/],
  ]
  for (const [what, more, code, text] of refusals) {
    test(`a proxy that ${what} is named, in both planes`, async (context) => {
      await start(context, true, more)
      const { folder, tls } = context
      const url = context.proxy.url.replace(/\/\/.*@/, '//')
      const network = { ca: tls.cert, proxies: { https: url } }
      const path = join(folder, 'part')
      writeFileSync(path, '-----')
      for (const workers of [0, 1]) {
        const transport = createPartTransport({ workers, network })
        const part = { url: 'https://store.test/o', range: { start: 0, end: 5 }, path, position: 0 }
        const error = await failureOf(transport.fetchPart(part))
        await transport.close()
        assert.is(error.code, code, error.message)
        assert.match(error.message, text)
      }
      for (const createFetch of [createNetworkFetch, createPooledFetch]) {
        const client = createHttpClient({ baseUrl: 'https://score.test', fetch: createFetch(network), retry: { attempts: 1 } })
        const error = await failureOf(client.text({ path: '/' }))
        assert.is(error.code, code, error.message)
        assert.match(error.message, text)
      }
      assert.is(context.peer.seen.length, 0)
    })
  }
})

suite('http/network: authorities', (test) => {
  test('what is added leaves the known ones in place', () => {
    const trusted = trustedAuthorities('-----BEGIN CERTIFICATE-----') ?? []
    assert.ok(trusted.length > 50, String(trusted.length))
    assert.ok(trusted.includes('-----BEGIN CERTIFICATE-----'))
    assert.is(trustedAuthorities(undefined), undefined)
  })
})
