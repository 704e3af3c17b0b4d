import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import * as assert from 'uvu/assert'
import { isScoreError } from '../../../src/core/errors.ts'
import { createS3Backend } from '../../../src/s3.ts'
import { regionOfHost } from '../../../src/storage/s3/s3-options.ts'
import { suite } from '../../support/suite.ts'
import { type ScriptedStore, startScriptedStore } from './scripted-store.ts'

const root = join(import.meta.dirname, '../../..')
const keys = { accessKeyId: 'key', secretAccessKey: 'secret' }
const at = { bucket: 'oicr.icgc', key: 'data/x' }
const run = promisify(execFile)

/** What a program of one line prints, in a process without the caller's settings of AWS. */
async function printed(program: string, env: Record<string, string> = {}): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const own = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^AWS_|^NODE_OPTIONS$/.test(name)))
  const nowhere = {
    HOME: '/nonexistent',
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_CONFIG_FILE: '/nonexistent',
    AWS_SHARED_CREDENTIALS_FILE: '/nonexistent',
  }
  const args = ['--import', 'tsx', '--input-type=module', '--eval', program]
  return run(process.execPath, args, { cwd: root, env: { ...own, ...nowhere, ...env }, timeout: 240_000 })
}

const regions = [
  ['s3.eu-west-1.amazonaws.com', 'eu-west-1'],
  ['s3-us-west-2.amazonaws.com', 'us-west-2'],
  ['s3.dualstack.ap-southeast-2.amazonaws.com', 'ap-southeast-2'],
  ['s3-fips.us-gov-west-1.amazonaws.com', 'us-gov-west-1'],
  ['s3.cn-north-1.amazonaws.com.cn', 'cn-north-1'],
  ['s3-external-1.amazonaws.com', undefined],
  ['s3.amazonaws.com', undefined],
  ['s3.eu-west-1.amazonaws.com.evil.org', undefined],
  ['minio', undefined],
] as const

suite('storage/s3 session', (test) => {
  let store: ScriptedStore
  const folder = mkdtempSync(join(tmpdir(), 'score-s3-'))
  test.before(async () => {
    store = await startScriptedStore()
    store.will({ status: 404 }, { status: 200 })
  })
  test.after(async () => {
    await store.close()
    rmSync(folder, { recursive: true })
  })

  test('the SDK prints nothing about Node, and what others warn of is still seen', async () => {
    const program = `
      import { createS3Backend } from './src/s3.ts'
      const backend = createS3Backend({ endpoint: '${store.endpoint}', credentials: ${JSON.stringify(keys)} })
      await backend.head(${JSON.stringify(at)})
      process.emitWarning('something else')
      console.log(process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED)`
    const { stdout, stderr } = await printed(program)
    assert.is(stdout.trim(), 'undefined')
    assert.match(stderr, 'something else')
    assert.not.match(stderr, /NodeVersionSupport|AWS|require node/)
  })

  test('the SDK is loaded by the first call, not by the import', async () => {
    const program = `
      import { createRequire } from 'node:module'
      import { createS3Backend } from './src/s3.ts'
      const loaded = () => Object.keys(createRequire('${root}/x.js').cache).some((name) => name.includes('@aws-sdk'))
      const backend = createS3Backend({ endpoint: '${store.endpoint}', credentials: ${JSON.stringify(keys)} })
      console.log(loaded())
      await backend.presign({ action: 'get', address: ${JSON.stringify(at)}, expiresInSeconds: 60 })
      console.log(loaded())`
    assert.is((await printed(program)).stdout, 'false\ntrue\n')
  })

  test('keys come from the environment, with their session; without any, the message says what to give', async () => {
    const program = `
      import { createS3Backend } from './src/s3.ts'
      const backend = createS3Backend({ endpoint: '${store.endpoint}' })
      const signed = await backend.presign({ action: 'get', address: ${JSON.stringify(at)}, expiresInSeconds: 60 }).catch((error) => ({ url: error.code + ': ' + error.message }))
      console.log(signed.url)`
    const env = { AWS_ACCESS_KEY_ID: 'fromenv', AWS_SECRET_ACCESS_KEY: 'secret', AWS_SESSION_TOKEN: 'session' }
    const { searchParams } = new URL((await printed(program, env)).stdout.trim())
    assert.match(String(searchParams.get('X-Amz-Credential')), /^fromenv\/\d{8}\/us-east-1\/s3\/aws4_request$/)
    assert.is(searchParams.get('X-Amz-Security-Token'), 'session')
    const { stdout } = await printed(program)
    assert.match(stdout, /^invalid-configuration: .*give an access key and secret/)
  })

  for (const [host, region] of regions) test(`the region of ${host} is ${region}`, () => assert.is(regionOfHost(host), region))

  const trusted = 'an unknown certificate authority is refused for good; a known one is taken'
  if (spawnSync('openssl', ['version']).status !== 0) test.skip(trusted, 'openssl is not installed')
  else
    test(trusted, async () => {
      const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
      const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1']
      const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
      execFileSync('openssl', ['req', ...kind, ...subject, '-keyout', key, '-out', cert], { stdio: 'ignore' })
      const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (_, response) => {
        response.writeHead(200, { 'content-length': '5', etag: '"e"', 'last-modified': new Date(0).toUTCString() }).end()
      }).listen(0, '127.0.0.1')
      await once(server, 'listening')
      try {
        const endpoint = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
        const error = await createS3Backend({ endpoint, credentials: keys })
          .head(at)
          .catch((thrown: unknown) => thrown)
        assert.ok(isScoreError(error, 'invalid-configuration') && /certificate/.test(error.message), String(error))
        const ca = readFileSync(cert, 'utf8')
        for (const given of [ca, [ca]])
          assert.is((await createS3Backend({ endpoint, credentials: keys, network: { ca: given } }).head(at))?.size, 5)
      } finally {
        server.closeAllConnections()
        server.close()
      }
    })
})
