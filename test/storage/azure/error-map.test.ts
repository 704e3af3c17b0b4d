import * as assert from 'uvu/assert'
import { createAzureBackend } from '../../../src/azure.ts'
import { azureBeginning, formatAzureBlockId } from '../../../src/core/azure-block-id.ts'
import { md5Hex } from '../../../src/core/checksum.ts'
import { isScoreError, type ProblemCode } from '../../../src/core/errors.ts'
import type { MultipartRef, StorageBackend } from '../../../src/storage/storage-backend.ts'
import { failureOf } from '../../support/failure-of.ts'
import { suite } from '../../support/suite.ts'
import { errorBody, type ScriptedAnswer, type ScriptedStore, startScriptedStore } from '../s3/scripted-store.ts'

const uploadId = '5be58fbb-775b-4259-bbbd-555e07fbdf24'
const at = { bucket: 'data', key: 'x' }
const multipart: MultipartRef = { ...at, uploadId }
const md5 = md5Hex('x')

async function first<Item>(items: AsyncIterable<Item>): Promise<Item | undefined> {
  for await (const item of items) return item
  return undefined
}

const calls = {
  head: (backend: StorageBackend) => backend.head(at),
  get: (backend: StorageBackend) => first(backend.get(at)),
  range: (backend: StorageBackend) => first(backend.get(at, { range: { start: 5, end: 10 } })),
  put: (backend: StorageBackend) => backend.put(at, Buffer.from('x')),
  delete: (backend: StorageBackend) => backend.delete(at),
  list: (backend: StorageBackend) => first(backend.list(at)),
  folders: (backend: StorageBackend) => first(backend.listFolders(at)),
  begin: (backend: StorageBackend) => backend.createMultipart(at),
  parts: (backend: StorageBackend) => first(backend.listParts(multipart)),
  complete: (backend: StorageBackend) => backend.completeMultipart(multipart, [{ number: 1, etag: md5 }]),
  abort: (backend: StorageBackend) => backend.abortMultipart(multipart),
}

const fault = (status: number, code: string, headers: Record<string, string> = {}): ScriptedAnswer => ({
  status,
  headers: { 'x-ms-error-code': code, 'x-ms-request-id': 'R1', 'content-type': 'application/xml', ...headers },
  body: errorBody(code, 'said the store'),
})

function blocks(...names: readonly string[]): ScriptedAnswer {
  const rows = names.map((name) => `<Block><Name>${name}</Name><Size>1</Size></Block>`).join('')
  const body = `<?xml version="1.0"?><BlockList><UncommittedBlocks>${rows}</UncommittedBlocks></BlockList>`
  return { status: 200, headers: { 'content-type': 'application/xml' }, body }
}

const etag = '"0x1"'

const begun = formatAzureBlockId({ uploadId, partNumber: azureBeginning, sentAt: 0 })
const held = formatAzureBlockId({ uploadId, partNumber: 1, sentAt: 1, md5 })
const other = Buffer.from('block-1').toString('base64')

const rows: readonly (readonly [
  what: string,
  call: keyof typeof calls,
  answers: readonly ScriptedAnswer[],
  code: ProblemCode,
  says: RegExp,
])[] = [
  ['no blob', 'get', [fault(404, 'BlobNotFound')], 'object-not-found', /did not read data\/x \(BlobNotFound, status 404, request R1\)/],
  ['no container', 'get', [fault(404, 'ContainerNotFound')], 'invalid-configuration', /create the container/],
  [
    'no container, to HEAD, which has no body',
    'head',
    [{ status: 404, headers: { 'x-ms-error-code': 'ContainerNotFound' } }],
    'invalid-configuration',
    /create the container/,
  ],
  ['no container, to a listing', 'list', [fault(404, 'ContainerNotFound')], 'invalid-configuration', /create the container/],
  ['no container, to a beginning', 'begin', [fault(404, 'ContainerNotFound')], 'invalid-configuration', /create the container/],
  ['no container, to an abort', 'abort', [fault(404, 'ContainerNotFound')], 'invalid-configuration', /create the container/],
  ['a name that is none', 'put', [fault(400, 'InvalidResourceName')], 'invalid-configuration', /3 to 63/],
  ['no blob to list parts of', 'parts', [fault(404, 'BlobNotFound')], 'upload-not-found', /knows no upload/],
  ['no such upload among the blocks', 'parts', [blocks(held)], 'upload-not-found', /knows no upload/],
  ['a part that is not there', 'complete', [blocks(begun)], 'part-mismatch', /holds no such part/],
  [
    'a part that went between list and commit',
    'complete',
    [blocks(begun, held), fault(400, 'InvalidBlockList'), blocks(begun)],
    'part-mismatch',
    /InvalidBlockList/,
  ],
  [
    'an upload that another completed between list and commit',
    'complete',
    [blocks(begun, held), fault(400, 'InvalidBlockList'), blocks()],
    'upload-not-found',
    /knows no upload/,
  ],
  ['a commit that is too late', 'complete', [blocks(begun, held), fault(409, 'BlobAlreadyExists')], 'object-exists', /BlobAlreadyExists/],
  ['blocks of another program', 'begin', [blocks(other)], 'already-running', /another program has begun an upload to data\/x/],
  ['blocks of another program, told late', 'begin', [blocks(), fault(400, 'InvalidBlobOrBlock')], 'already-running', /another length/],
  ['too many blocks', 'begin', [blocks(), fault(409, 'BlockCountExceedsLimit')], 'already-running', /100,000/],
  ['a range past the end', 'range', [fault(416, 'InvalidRange')], 'invalid-range', /InvalidRange/],
  ['a wrong key', 'get', [fault(403, 'AuthenticationFailed')], 'access-denied', /name and key of the account/],
  ['a wrong key, to HEAD', 'head', [{ status: 403 }], 'access-denied', /describe data\/x/],
  ['a firewall', 'put', [fault(403, 'AuthorizationFailure')], 'access-denied', /firewall/],
  ['an identity without a role', 'put', [fault(403, 'AuthorizationPermissionMismatch')], 'access-denied', /Storage Blob Delegator/],
  ['an account that takes no keys', 'list', [fault(403, 'KeyBasedAuthenticationNotPermitted')], 'access-denied', /Entra ID/],
  ['http where https is asked for', 'put', [fault(400, 'AccountRequiresHttps')], 'invalid-configuration', /https/],
  ['an emulator that is too old', 'list', [fault(400, 'InvalidHeaderValue')], 'store-protocol', /--skipApiVersionCheck/],
  ['a store that is busy', 'put', [fault(503, 'ServerBusy', { 'retry-after': '7' })], 'unavailable', /ServerBusy/],
  ['a store that failed', 'put', [fault(500, 'InternalError')], 'unavailable', /InternalError/],
  ['a store that was too slow', 'put', [fault(500, 'OperationTimedOut')], 'unavailable', /OperationTimedOut/],
  ['too many requests', 'put', [{ status: 429, headers: { 'retry-after': '7' } }], 'unavailable', /429/],
  [
    'a proxy without its store',
    'list',
    [{ status: 502, headers: { 'content-type': 'text/html' }, body: '<html>Bad Gateway</html>' }],
    'unavailable',
    /502/,
  ],
  ['a wrong digest', 'put', [fault(400, 'Md5Mismatch')], 'checksum-mismatch', /Md5Mismatch/],
  ['a blob of another type', 'put', [fault(409, 'InvalidBlobType')], 'internal', /another type/],
  ['an archived blob', 'get', [fault(409, 'BlobArchived')], 'internal', /rehydrate/],
  ['a lease', 'delete', [fault(412, 'LeaseIdMissing')], 'internal', /lease/],
  ['a blob that may not change', 'put', [fault(409, 'BlobImmutableDueToPolicy')], 'internal', /policy/],
  ['a code nobody knows', 'put', [fault(400, 'Surprise')], 'internal', /Surprise/],
  ['a 404 that is about something else', 'delete', [fault(404, 'NoSuchSurprise')], 'internal', /NoSuchSurprise/],
  [
    'the whole instead of a range',
    'range',
    [{ status: 200, headers: { etag }, body: '0123456789' }],
    'store-protocol',
    /ignored the range/,
  ],
  [
    'another range than asked for',
    'range',
    [{ status: 206, headers: { etag, 'content-range': 'bytes 0-4/100' }, body: '01234' }],
    'store-protocol',
    /another range/,
  ],
  [
    'a range that was cut at the end',
    'range',
    [{ status: 206, headers: { etag, 'content-range': 'bytes 5-7/8' }, body: '567' }],
    'invalid-range',
    /past the end/,
  ],
  ['a web page instead of a blob', 'get', [{ status: 200, body: '<html>login' }], 'store-protocol', /a proxy may stand between/],
  ['no answer', 'head', [{ status: 0, cutAfter: 0 }], 'unavailable', /connection was cut/],
]

suite('storage/azure refusals', (test) => {
  const accountKey = Buffer.from('hidden-secret').toString('base64')
  let store: ScriptedStore
  const open = (idleTimeoutMs?: number): StorageBackend =>
    createAzureBackend({
      accountName: 'account',
      credential: { accountKey },
      endpoint: `${store.endpoint}/account`,
      ...(idleTimeoutMs === undefined ? {} : { idleTimeoutMs }),
    })
  test.before(async () => {
    store = await startScriptedStore()
  })
  test.after(() => store.close())

  for (const [what, call, answers, code, says] of rows) {
    test(`${what}, to ${call}: ${code}`, async () => {
      store.will(...answers)
      const error = await failureOf(calls[call](open()))
      assert.is(error.code, code, error.message)
      assert.match(error.message, says)
      assert.not.ok(error.message.includes(accountKey))
      assert.is(store.requests.length, answers.length, 'the driver sends nothing twice')
      if (answers[0]?.headers?.['retry-after'] !== undefined) assert.is(error.retryAfterSeconds, 7)
    })
  }

  test('what is missing is no failure of head, delete and abort', async () => {
    for (const call of ['head', 'delete', 'abort'] as const) {
      store.will(call === 'head' ? { status: 404, headers: { 'x-ms-error-code': 'BlobNotFound' } } : fault(404, 'BlobNotFound'))
      assert.is(await calls[call](open()), undefined)
      assert.is(store.requests.length, 1)
    }
  })

  test('names that would be taken for others are refused before anything is asked', async () => {
    store.will()
    for (const key of ['', '.', '..', 'a/../b', 'a/./b', 'a\\b', 'x'.repeat(1025), 'a/'.repeat(254)]) {
      const address = { bucket: 'data', key }
      assert.is((await failureOf(open().head(address))).code, 'invalid-request', key)
      assert.is((await failureOf(open().presign({ action: 'get', address, expiresInSeconds: 60 }))).code, 'invalid-request', key)
    }
    assert.is(store.requests.length, 0)
  })

  test('parts that a blob cannot have are refused', async () => {
    store.will()
    for (const partNumber of [0, 50_001, 1.5]) {
      const request = { action: 'put-part', multipart, partNumber, expiresInSeconds: 60 } as const
      assert.is((await failureOf(open().presign(request))).code, 'invalid-request')
    }
    store.will(blocks(begun))
    const many = Array.from({ length: 50_001 }, (_, index) => ({ number: index + 1, etag: md5 }))
    assert.match((await failureOf(open().completeMultipart(multipart, many))).message, /50000 at most/)
  })

  test('no room among 100,000 blocks: the upload is not begun', async () => {
    const names = Array.from({ length: 90_001 }, (_, index) => formatAzureBlockId({ uploadId, partNumber: 1, sentAt: index }))
    store.will(blocks(...names))
    const error = await failureOf(open().createMultipart(at))
    assert.is(error.code, 'already-running')
    assert.match(error.message, /left 90001 blocks/)
    assert.is(store.requests.length, 1)
  })

  test('a body that ends early is unavailable, after what came', async () => {
    store.will({ status: 200, headers: { etag }, body: 'x'.repeat(1000), cutAfter: 400 })
    let received = 0
    const read = async (): Promise<void> => {
      for await (const chunk of open().get(at)) received += chunk.length
    }
    assert.is((await failureOf(read())).code, 'unavailable')
    assert.is(received, 400)
    assert.is(store.requests.length, 1)
  })

  for (const silentAfter of [0, 400]) {
    test(`a store that falls silent after ${silentAfter} bytes is given up`, async () => {
      store.will({ status: 200, headers: { etag }, body: 'x'.repeat(1000), silentAfter })
      let received = 0
      const read = async (): Promise<void> => {
        for await (const chunk of open(1000).get(at)) received += chunk.length
      }
      const error = await failureOf(read())
      assert.is(error.code, 'unavailable', error.message)
      assert.is(received, silentAfter)
    })
  }

  test('a reader that takes its time is no silence of the store', async () => {
    store.will({ status: 200, headers: { etag }, body: 'x'.repeat(1000) })
    let received = 0
    for await (const chunk of open(1000).get(at)) {
      received += chunk.length
      await new Promise((resolve) => setTimeout(resolve, 1500))
    }
    assert.is(received, 1000)
  })

  test('what cannot be an account, a key, an address or policies is refused at once', () => {
    const credential = { accountKey }
    const identity = { getToken: async () => null }
    for (const [options, says] of [
      [{ accountName: 'No', credential }, /3 to 24 lower-case/],
      [{ accountName: 'account', credential: { accountKey: 'not base64!' } }, /not base64/],
      [{ accountName: 'account', credential, endpoint: 'account.blob.core.windows.net' }, /endpoint of the Azure store/],
      [{ accountName: 'account', credential, publicEndpoint: 'https://x/?sig=1' }, /publicEndpoint of the Azure store/],
      [{ accountName: 'account', credential: identity, policies: { upload: 'Up', download: 'Down' } }, /key of the Azure account/],
    ] as const) {
      try {
        createAzureBackend(options)
        assert.unreachable(String(says))
      } catch (error) {
        assert.ok(isScoreError(error, 'invalid-configuration'), String(error))
        assert.match(String(error), says)
      }
    }
  })
})
