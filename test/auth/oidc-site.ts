import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Provider } from 'oidc-provider'

/** A real OIDC server whose only user says yes to everything, or no to it. */
export async function startIssuer(features: { readonly revocation?: boolean } = {}): Promise<{
  issuer: string
  provider: Provider
  decide(userCodeUri: string, answer: 'yes' | 'no'): Promise<void>
  server: Server
}> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: 'score',
        token_endpoint_auth_method: 'none',
        grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
        redirect_uris: [],
        response_types: [],
      },
    ],
    features: { deviceFlow: { enabled: true }, devInteractions: { enabled: false }, revocation: { enabled: features.revocation ?? true } },
    rotateRefreshToken: true,
    ttl: { AccessToken: 60, DeviceCode: 60, RefreshToken: 600, Grant: 600 },
    cookies: { keys: ['k'] },
  })
  server.on('request', provider.callback())
  return {
    issuer,
    provider,
    server,
    /** What the pages of a browser do: sets who decided, and what was granted, on the code. */
    async decide(uri, answer) {
      const userCode = new URL(uri).searchParams.get('user_code') ?? ''
      const code = await provider.DeviceCode.findByUserCode(userCode.replaceAll('-', ''), { ignoreExpiration: true })
      if (code === undefined) throw new Error(`no code ${userCode}`)
      if (answer === 'no') Object.assign(code, { error: 'access_denied', errorDescription: 'no' })
      else {
        const grant = new provider.Grant({ accountId: 'ada', clientId: 'score' })
        grant.addOIDCScope('openid offline_access')
        Object.assign(code, {
          accountId: 'ada',
          grantId: await grant.save(),
          scope: 'openid offline_access',
          authTime: Math.floor(Date.now() / 1000),
        })
      }
      await code.save()
    },
  }
}
