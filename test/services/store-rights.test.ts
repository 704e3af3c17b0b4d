import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import * as assert from 'uvu/assert'
import { createS3Backend, type S3BackendOptions } from '../../src/s3.ts'
import { failureOf } from '../support/failure-of.ts'
import { suite } from '../support/suite.ts'
import { assumeRole } from './support/assume-role.ts'
import { type S3TestStore, s3Stores } from './support/s3-stores.ts'
import { howToGet, isThere } from './support/store-program.ts'

const execute = promisify(execFile)
const { program, start } = s3Stores.minio
const everything = { Effect: 'Allow', Action: ['s3:*'], Resource: ['arn:aws:s3:::*'] }

async function drained<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}

/** The environment for the length of the work. */
async function withEnvironment<Result>(wanted: Readonly<Record<string, string>>, work: () => Promise<Result>): Promise<Result> {
  const before = Object.keys(wanted).map((name) => [name, process.env[name]] as const)
  Object.assign(process.env, wanted)
  try {
    return await work()
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  }
}

suite('services/store rights', (test) => {
  const there = isThere(program)
  let store: S3TestStore
  test.before(async () => {
    if (!there) return
    store = await start()
    await store.backend.put({ bucket: store.bucket, key: 'data/x' }, Buffer.from('x'))
    await store.createBucket('score.state')
    await store.backend.put({ bucket: 'score.state', key: 'data/x.meta' }, Buffer.from('{}'))
  })
  test.after(async () => {
    if (there) await store.stop()
  })
  const add = (name: string, run: () => Promise<void>): void => {
    if (there) test(name, run)
    else test.skip(name, howToGet(program))
  }
  const bound = async (...Statement: readonly object[]): Promise<S3BackendOptions> => ({
    ...store.options,
    credentials: await assumeRole(store.endpoint, store.credentials, { Statement }),
  })

  add('a session signs what its key may do, and no URL outlives it', async () => {
    const session = await assumeRole(store.endpoint, store.credentials, { Statement: [everything] })
    const backend = createS3Backend({ ...store.options, credentials: session })
    const address = { bucket: store.bucket, key: 'data/x' }
    assert.is((await backend.head(address))?.size, 1)
    const { url, expiresAt } = await backend.presign({ action: 'get', address, expiresInSeconds: 86_400 })
    assert.ok(
      expiresAt.getTime() <= session.expiration.getTime(),
      `${expiresAt.toISOString()} is after ${session.expiration.toISOString()}`,
    )
    const answer = await fetch(url)
    assert.equal([answer.status, await answer.text()], [200, 'x'])
    const withoutToken = url.replace(/X-Amz-Security-Token=[^&]*&/, '')
    assert.is.not(withoutToken, url)
    assert.is((await fetch(withoutToken)).status, 403)
  })

  add('a session that ran out signs nothing', async () => {
    const session = await assumeRole(store.endpoint, store.credentials, { Statement: [everything] })
    const late = createS3Backend({ ...store.options, credentials: session, now: () => session.expiration.getTime() })
    const error = await failureOf(late.presign({ action: 'get', address: { bucket: store.bucket, key: 'data/x' }, expiresInSeconds: 60 }))
    assert.is(error.code, 'access-denied')
    assert.match(error.message, /ran out at .*renew them/)
  })

  add('a session token that is none is told', async () => {
    const backend = createS3Backend({ ...store.options, credentials: { ...store.credentials, sessionToken: 'forged' } })
    const error = await failureOf(backend.put({ bucket: store.bucket, key: 'data/y' }, Buffer.from('y')))
    assert.is(error.code, 'access-denied')
    assert.not.match(error.message, /forged/)
  })

  add('without the right to list, objects are read and written, and a listing says what it lacks', async () => {
    const backend = createS3Backend(await bound(everything, { Effect: 'Deny', Action: ['s3:ListBucket'], Resource: ['arn:aws:s3:::*'] }))
    const address = { bucket: store.bucket, key: 'data/unlisted' }
    await backend.put(address, Buffer.from('y'))
    assert.is((await backend.head(address))?.size, 1)
    const error = await failureOf(drained(backend.list({ bucket: store.bucket, key: 'data/' })))
    assert.is(error.code, 'access-denied', error.message)
    assert.match(error.message, /did not list oicr\.icgc\/data\/.*without the right to list a bucket, what is missing looks like a refusal/)
  })

  add('without the right to read state, it is named', async () => {
    const backend = createS3Backend(
      await bound(everything, { Effect: 'Deny', Action: ['s3:GetObject'], Resource: ['arn:aws:s3:::score.state/*'] }),
    )
    assert.equal(Buffer.concat(await drained(backend.get({ bucket: store.bucket, key: 'data/x' }))).toString(), 'x')
    const error = await failureOf(drained(backend.get({ bucket: 'score.state', key: 'data/x.meta' })))
    assert.is(error.code, 'access-denied')
    assert.match(error.message, /did not read score\.state\/data\/x\.meta.*give the key the right to it/)
  })

  add('the chain of AWS: keys of the environment, of a profile, and of a program that a profile names', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'score-chain-'))
    const session = await assumeRole(store.endpoint, store.credentials, { Statement: [everything] })
    const { accessKeyId, secretAccessKey } = store.credentials
    const spoken = {
      Version: 1,
      AccessKeyId: session.accessKeyId,
      SecretAccessKey: session.secretAccessKey,
      SessionToken: session.sessionToken,
    }
    await writeFile(join(folder, 'said.json'), JSON.stringify({ ...spoken, Expiration: session.expiration.toISOString() }))
    const profiles = `[kept]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n\n[spoken]\ncredential_process = cat ${folder}/said.json\n`
    await writeFile(join(folder, 'credentials'), profiles)
    const files = { AWS_SHARED_CREDENTIALS_FILE: join(folder, 'credentials'), AWS_CONFIG_FILE: join(folder, 'none') }
    const sources: Readonly<Record<string, Readonly<Record<string, string>>>> = {
      environment: {
        AWS_ACCESS_KEY_ID: session.accessKeyId,
        AWS_SECRET_ACCESS_KEY: session.secretAccessKey,
        AWS_SESSION_TOKEN: session.sessionToken,
      },
      profile: { ...files, AWS_PROFILE: 'kept' },
      program: { ...files, AWS_PROFILE: 'spoken' },
    }
    try {
      for (const [name, environment] of Object.entries(sources)) {
        await withEnvironment(environment, async () => {
          const backend = createS3Backend({ endpoint: store.endpoint })
          const address = { bucket: store.bucket, key: 'data/x' }
          assert.is((await backend.head(address))?.size, 1, name)
          const { url } = await backend.presign({ action: 'get', address, expiresInSeconds: 86_400 })
          assert.is(url.includes('X-Amz-Security-Token='), name !== 'profile', name)
          assert.is((await fetch(url)).status, 200, name)
        })
      }
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  for (const signedHost of ['public', 'store'] as const)
    add(`URLs for the host of a proxy, which ${signedHost === 'public' ? 'passes Host on' : "puts the store's Host back"}`, async () => {
      const inner = new URL(store.endpoint)
      const proxy = createServer((incoming, response) => {
        const headers = { ...incoming.headers, ...(signedHost === 'store' ? { host: inner.host } : {}) }
        const { method = 'GET', url: path = '/' } = incoming
        request({ host: inner.hostname, port: inner.port, method, path, headers, setHost: false }, (answer) => {
          response.writeHead(answer.statusCode ?? 502, answer.headers)
          answer.pipe(response)
        }).end()
      }).listen(0, '127.0.0.1')
      await once(proxy, 'listening')
      const publicEndpoint = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
      try {
        for (const signed of ['public', 'store'] as const) {
          const backend = createS3Backend({ ...store.options, publicEndpoint, signedHost: signed })
          const address = { bucket: store.bucket, key: 'data/x' }
          const { url } = await backend.presign({ action: 'get', address, expiresInSeconds: 600 })
          assert.ok(url.startsWith(publicEndpoint), url)
          const answer = await fetch(url)
          await answer.arrayBuffer()
          assert.is(answer.status, signed === signedHost ? 200 : 403, `signed for ${signed}`)
        }
      } finally {
        proxy.closeAllConnections()
        proxy.close()
        await once(proxy, 'close')
      }
    })

  for (const minutes of [-20, 20])
    add(`on a machine whose clock is ${minutes} minutes off, calls and URLs are signed for the time of the store`, async () => {
      const worker = join(import.meta.dirname, 'support', 'clock-worker.ts')
      const clock = join(import.meta.dirname, 'support', 'wrong-clock.ts')
      const task = JSON.stringify({ bucket: store.bucket, options: store.options })
      const env = { ...process.env, WRONG_CLOCK_MS: String(minutes * 60_000), CLOCK_TASK: task }
      const { stdout } = await execute(process.execPath, ['--import', 'tsx', '--import', clock, worker], { env, timeout: 240_000 })
      const said = JSON.parse(stdout)
      assert.ok(Math.abs(said.now - minutes * 60_000 - Date.now()) < 300_000, 'the clock was really wrong')
      assert.equal(said.get, [200, 'told in time'])
      assert.is(said.put, 200)
      assert.ok(said.repeats >= 1, 'the store refused first')
      assert.ok(Math.abs(said.expiresAt - Date.now() - 600_000) < 300_000, 'the URL ends by the clock of the store')
    })
})
