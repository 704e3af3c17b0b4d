import * as assert from 'uvu/assert'
import { createAzureBackend } from '../../../src/azure.ts'
import { parseAzureBlockId } from '../../../src/core/azure-block-id.ts'
import { isScoreError } from '../../../src/core/errors.ts'
import type { AzureCalls } from '../../../src/storage/azure/azure-calls.ts'
import { createAzurePresigner } from '../../../src/storage/azure/presigner.ts'
import { suite } from '../../support/suite.ts'

const day = 86_400
const at = { bucket: 'data', key: 'a/b c' }
const noon = Date.UTC(2026, 10, 24, 12)
const accountKey = Buffer.from('the key').toString('base64')
const identity = { getToken: async () => ({ token: 'entra-token', expiresOnTimestamp: Number.MAX_SAFE_INTEGER }) }

function queryOf(url: string): Readonly<Record<string, string>> {
  return Object.fromEntries(new URL(url).searchParams)
}

/** A user delegation key as Azure gives it: with the times that were asked for. */
function delegationKey(asked: [Date, Date][], signedStartsOn: Date, signedExpiresOn: Date) {
  asked.push([signedStartsOn, signedExpiresOn])
  const value = Buffer.from(`key ${asked.length}`).toString('base64')
  return {
    signedObjectId: 'object',
    signedTenantId: 'tenant',
    signedStartsOn,
    signedExpiresOn,
    signedService: 'b',
    signedVersion: '2026-04-06',
    value,
  }
}

suite('storage/azure signed URLs', (test) => {
  test('by the key: rights, times and the name of the block', async () => {
    const backend = createAzureBackend({ accountName: 'account', credential: { accountKey }, now: () => noon })
    const { url, expiresAt } = await backend.presign({ action: 'get', address: at, expiresInSeconds: day })
    assert.ok(url.startsWith('https://account.blob.core.windows.net/data/a/b%20c?sv=2020-12-06&'), url)
    const { st, se, sp } = queryOf(url)
    assert.equal([st, se, sp], ['2026-11-24T11:45:00Z', '2026-11-25T12:00:00Z', 'r'])
    assert.is(expiresAt.getTime(), noon + day * 1000)
    const multipart = { ...at, uploadId: '5be58fbb-775b-4259-bbbd-555e07fbdf24' }
    const part = await backend.presign({ action: 'put-part', multipart, partNumber: 7, expiresInSeconds: 60 })
    const query = queryOf(part.url)
    assert.equal([query['sp'], query['comp'], part.dialect], ['cw', 'block', 'azure-block'])
    assert.equal(parseAzureBlockId(query['blockid'] ?? ''), { uploadId: multipart.uploadId, partNumber: 7, sentAt: 0 })
    const whole = await backend.presignObjectWrite?.(at, { expiresInSeconds: 60 })
    assert.equal(Object.keys(queryOf(whole?.url ?? '')), ['sv', 'st', 'se', 'sr', 'sp', 'sig'])
  })

  test('by stored access policies: the policy instead of rights, with times, as the original', async () => {
    const policies = { upload: 'UploadPolicy', download: 'DownloadPolicy' }
    const backend = createAzureBackend({ accountName: 'account', credential: { accountKey }, policies, now: () => noon })
    const read = queryOf((await backend.presign({ action: 'get', address: at, expiresInSeconds: 60 })).url)
    const write = queryOf((await backend.presignObjectWrite?.(at, { expiresInSeconds: 60 }))?.url ?? '')
    assert.equal([read['si'], read['sp'], read['se']], ['DownloadPolicy', undefined, '2026-11-24T12:01:00Z'])
    assert.equal([write['si'], write['sp']], ['UploadPolicy', undefined])
  })

  test('for the address that clients use, whatever the service asks', async () => {
    const backend = createAzureBackend({
      accountName: 'account',
      credential: { accountKey },
      endpoint: 'http://10.0.0.1:10000/account',
      publicEndpoint: 'https://data.example.org/account/',
    })
    const { url } = await backend.presign({ action: 'get', address: at, expiresInSeconds: 60 })
    assert.ok(url.startsWith('https://data.example.org/account/data/a/b%20c?'), url)
  })

  test('by a user delegation key: fetched once for all who wait, renewed when it would end before the URL, which it outlives', async () => {
    let now = noon
    const asked: [Date, Date][] = []
    const calls = {
      run: (_: unknown, work: (request: { abortSignal: AbortSignal }) => Promise<unknown>) =>
        work({ abortSignal: new AbortController().signal }),
      open: async () => ({ client: { getUserDelegationKey: async (from: Date, to: Date) => delegationKey(asked, from, to) } }),
    } as unknown as AzureCalls
    const { presign } = createAzurePresigner(calls, { accountName: 'account', credential: identity, now: () => now })
    const sign = (days: number) => presign({ action: 'get', address: at, expiresInSeconds: days * day })
    const urls = await Promise.all([sign(1), sign(6), sign(1)])
    assert.is(asked.length, 1)
    assert.is((asked[0]?.[1].getTime() ?? 0) - (asked[0]?.[0].getTime() ?? 0), 7 * day * 1000)
    assert.equal(
      urls.map(({ url }) => [queryOf(url)['skoid'], queryOf(url)['ske']]),
      urls.map(() => ['object', '2026-12-01T11:45:00Z']),
    )
    now += day * 1000
    await sign(5)
    assert.is(asked.length, 1)
    await sign(6)
    assert.is(asked.length, 2)
    const longest = await sign(7)
    assert.is(longest.expiresAt.getTime(), asked.at(-1)?.[1].getTime(), 'no URL lives longer than what signed it')
  })

  test('a life that is none is refused', async () => {
    const backend = createAzureBackend({ accountName: 'account', credential: { accountKey } })
    for (const expiresInSeconds of [0, -1, 1.5, Number.NaN]) {
      const outcome = await backend.presign({ action: 'get', address: at, expiresInSeconds }).then(
        () => undefined,
        (error: unknown) => error,
      )
      assert.ok(isScoreError(outcome, 'invalid-configuration'), String(outcome))
    }
  })
})
