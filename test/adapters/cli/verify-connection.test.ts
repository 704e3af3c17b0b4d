import * as assert from 'uvu/assert'
import { verifyConnection } from '../../../adapters/cli/verify-connection.ts'
import { isScoreError, ScoreError } from '../../../src/index.ts'
import { suite } from '../../support/suite.ts'

const url = 'http://store.example.org/heliograph?X-Amz-Signature=abc'
const timeout = Object.assign(new Error('too late'), { name: 'TimeoutError' })
const caused = (code: string, message: string): Error =>
  new TypeError('fetch failed', { cause: Object.assign(new Error(message), { code }) })

const rows: readonly { readonly name: string; readonly answer: () => Promise<Response>; readonly code: string; readonly says: string }[] = [
  {
    name: 'refused by the store',
    answer: async () => new Response('', { status: 403 }),
    code: 'access-denied',
    says: 'Connection to object storage refused, received response code FORBIDDEN.',
  },
  {
    name: 'not there',
    answer: async () => new Response('', { status: 404 }),
    code: 'unavailable',
    says: 'Connection to object storage refused, received response code NOT_FOUND.',
  },
  {
    name: 'too late',
    answer: () => Promise.reject(timeout),
    code: 'unavailable',
    says: 'Connection to object storage failed, request timed out.',
  },
  {
    name: 'no connection in time',
    answer: () => Promise.reject(caused('UND_ERR_CONNECT_TIMEOUT', 'x')),
    code: 'unavailable',
    says: 'Access refused by repository. Ensure client is running as part of repository cloud.',
  },
  {
    name: 'no such host, the address without its query',
    answer: () => Promise.reject(caused('ENOTFOUND', `cannot find ${url}`)),
    code: 'unavailable',
    says: 'Unable to verify connectivity to repository: cannot find http://store.example.org/heliograph?…',
  },
]

const check = (answer: () => Promise<Response>, advice: boolean): Promise<void> =>
  verifyConnection({ api: { sentinelUrl: async () => url }, fetch: answer, advice })

suite('verify connection', (test) => {
  for (const { name, answer, code, says } of rows) {
    test(name, async () => {
      const error: unknown = await check(answer, false).catch((thrown: unknown) => thrown)
      assert.ok(isScoreError(error))
      assert.is(error.message, says)
      assert.is(error.code, code)
      const advised: unknown = await check(answer, true).catch((thrown: unknown) => thrown)
      assert.match(String(advised), /or leave the check out with --verify-connection false$/)
    })
  }

  test('an answer is enough', () => check(async () => new Response('x'), true))

  test('what the service says of the sentinel passes through', async () => {
    const refused = new ScoreError('invalid-request', 'no sentinel')
    const error: unknown = await verifyConnection({ api: { sentinelUrl: () => Promise.reject(refused) }, fetch, advice: true }).catch(
      (thrown: unknown) => thrown,
    )
    assert.is(error, refused)
  })
})
