import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SignJWT } from 'jose'

/** What Ego says of an API key; a key that nobody made known is refused with 401. */
export interface ApiKeyAnswer {
  readonly status?: number
  readonly body: unknown
}

export interface TokenWish {
  readonly scopes: readonly string[]
  /** Seconds from now; default 3600. */
  readonly expiresIn?: number
  /** Seconds from now; default none. */
  readonly notBefore?: number
  readonly claims?: Readonly<Record<string, unknown>>
}

/** What a site's Ego is for a Score or Song server: a public key, tokens signed with the private one, and answers for API keys. */
export interface AuthStandIn {
  /** Answers the public key, as PEM. */
  readonly publicKeyUrl: string
  readonly publicKeyPem: string
  readonly privateKey: KeyObject
  /** Asked for API keys, as Ego's `/o/check_api_key`. */
  readonly apiKeyUrl: string
  /** How often it was asked for API keys. */
  readonly apiKeyCalls: number
  /** A JWT as Ego signs it. */
  token(wish: TokenWish): Promise<string>
  /** From now on the key is answered for so. */
  setApiKey(key: string, answer: ApiKeyAnswer): void
  /** A key that is good for an hour, with these scopes. */
  grantApiKey(key: string, scopes: readonly string[]): void
  close(): Promise<void>
}

/** Signed by `privateKey` with the claims that Ego sets. */
export function egoToken(privateKey: KeyObject, { scopes, expiresIn = 3600, notBefore, claims = {} }: TokenWish): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  const context = { scope: scopes, user: { name: 'ada', status: 'APPROVED' } }
  const token = new SignJWT({ jti: crypto.randomUUID(), sub: 'ada', iss: 'ego', context, ...claims })
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT' })
    .setIssuedAt(now)
    .setExpirationTime(now + expiresIn)
  return (notBefore === undefined ? token : token.setNotBefore(now + notBefore)).sign(privateKey)
}

export async function startAuthStandIn(): Promise<AuthStandIn> {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const publicKeyPem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
  const known = new Map<string, ApiKeyAnswer>()
  let apiKeyCalls = 0
  const answerFor = (sent: string): ApiKeyAnswer => {
    for (const [key, answer] of known) if (sent.includes(key)) return answer
    return { status: 401, body: { error: 'unknown key' } }
  }
  const server = createServer(async (request, response) => {
    // Spring asks with HEAD first, whether it is there.
    if ((request.method === 'GET' || request.method === 'HEAD') && request.url === '/key') {
      response.writeHead(200, { 'content-type': 'text/plain', 'content-length': publicKeyPem.length })
      response.end(request.method === 'HEAD' ? undefined : publicKeyPem)
      return
    }
    // The key may come in the query, in a form or in a multipart form.
    let sent = decodeURIComponent(request.url ?? '')
    for await (const chunk of request.setEncoding('utf8')) sent += chunk
    if (request.method !== 'POST' || !(request.url ?? '').startsWith('/o/check_api_key')) {
      response.writeHead(404).end()
      return
    }
    apiKeyCalls += 1
    const { status = 207, body } = answerFor(sent)
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const setApiKey: AuthStandIn['setApiKey'] = (key, answer) => void known.set(key, answer)
  return {
    publicKeyUrl: `${base}/key`,
    publicKeyPem,
    privateKey,
    apiKeyUrl: `${base}/o/check_api_key`,
    get apiKeyCalls() {
      return apiKeyCalls
    },
    token: (wish) => egoToken(privateKey, wish),
    setApiKey,
    grantApiKey: (key, scope) => setApiKey(key, { body: { user_id: crypto.randomUUID(), client_id: 'score', exp: 3600, scope } }),
    async close() {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}
