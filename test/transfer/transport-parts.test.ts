import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import * as assert from 'uvu/assert'
import { isScoreError } from '../../src/core/errors.ts'
import { parseTarget } from '../../src/http/request-target.ts'
import { createByteReports } from '../../src/transfer/transport/byte-reports.ts'
import { createPartTransport } from '../../src/transfer/transport/create-part-transport.ts'
import { createRateCell, createRateLimit } from '../../src/transfer/transport/rate-limit.ts'
import { createWatchdog } from '../../src/transfer/transport/watchdog.ts'
import { startFaultStore } from '../support/fault-store.ts'
import { suite } from '../support/suite.ts'

suite('rate limit', (test) => {
  test('takers in several threads together keep to the rate', () => {
    const cell = createRateCell()
    let now = 5_000_000n
    const clock = { bytesPerSecond: 1_000_000, cell, nowMicros: () => now }
    const takers = [createRateLimit(clock), createRateLimit(clock)]
    const started = now
    let moved = 0
    for (let i = 0; i < 1000; i++) {
      const bytes = 1000 + (i % 7) * 500
      moved += bytes
      const waitMs = takers[i % 2]?.take(bytes) ?? 0
      now += BigInt(Math.ceil(waitMs * 1000))
    }
    const seconds = Number(now - started) / 1e6
    assert.ok(Math.abs(moved / 1e6 - seconds) < 0.06, `${moved} bytes took ${seconds} s`)
  })

  test('a pause gives no more than a short burst', () => {
    let now = 0n
    const limit = createRateLimit({ bytesPerSecond: 1_000_000, cell: createRateCell(), nowMicros: () => now })
    now = 3_600_000_000n
    assert.is(limit.take(50_000), 0)
    assert.is(limit.take(10_000), 10)
  })

  test('steps are small enough to be smooth, in whole blocks', () => {
    const quantum = (bytesPerSecond: number): number => createRateLimit({ bytesPerSecond, cell: createRateCell() }).quantumBytes
    assert.is(quantum(1000), 4096)
    assert.is(quantum(1_000_000) % 64, 0)
    assert.ok(quantum(1_000_000) <= 50_000)
  })
})

suite('byte reports', (test) => {
  test('counts are sent ten times a second, and the rest at the end', () => {
    const sent: number[] = []
    let now = 0
    const reports = createByteReports(
      (count) => sent.push(count),
      () => now,
    )
    for (let i = 0; i < 25; i++) {
      now += 10
      reports.add(1)
    }
    assert.equal(sent, [10, 10])
    reports.flush()
    reports.flush()
    assert.equal(sent, [10, 10, 5])
  })
})

suite('watchdog', (test) => {
  test('a thread that was held up hears what came meanwhile before it gives up', async () => {
    const expired: string[] = []
    const dog = createWatchdog((what) => expired.push(what))
    const held = new Int32Array(new SharedArrayBuffer(4))
    dog.expect(1, 'nothing came')
    const touched = new Promise<void>((resolve) => {
      setTimeout(() => {
        setImmediate(() => {
          dog.touch()
          resolve()
        })
      }, 1)
    })
    Atomics.wait(held, 0, 0, 1100)
    await touched
    await new Promise((resolve) => setTimeout(resolve, 5))
    assert.equal(expired, [])
    dog.rest()
    dog.expect(0.01, 'silence')
    while (expired.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    assert.equal(expired, ['silence'])
  })
})

suite('targets', (test) => {
  const rows: readonly [string, string, number, string][] = [
    ['http://h/a%2Fb?x=%20&y', 'h', 80, '/a%2Fb?x=%20&y'],
    ['https://h?x=1#f', 'h', 443, '/?x=1'],
    ['http://[::1]:9000/a//../b', '::1', 9000, '/a//../b'],
    ['HTTP://user:pw@h:81', 'h', 81, '/'],
  ]
  for (const [url, host, port, path] of rows) {
    test(`${url} goes out as it is`, () => {
      const target = parseTarget(url)
      assert.equal([target.host, target.port, target.path], [host, port, path])
    })
  }
  for (const url of ['ftp://h/x', 'h/x', 'http://h/a b', 'http://h/é', 'http:///x']) {
    test(`'${url}' cannot be sent`, () => {
      assert.throws(
        () => parseTarget(url),
        (error: unknown) => isScoreError(error, 'store-protocol'),
      )
    })
  }
})

const hasOpenssl = spawnSync('openssl', ['version']).status === 0

suite('transport and its surroundings', (test) => {
  const folder = mkdtempSync(join(tmpdir(), 'score-transport-'))
  test.after(() => rmSync(folder, { recursive: true }))

  const certificates = 'an unknown certificate authority is refused for good; a known one is taken'
  if (!hasOpenssl) test.skip(certificates, 'openssl is not installed')
  else {
    test(certificates, async () => {
      const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
      const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1']
      const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
      execFileSync('openssl', ['req', ...kind, ...subject, '-keyout', key, '-out', cert], { stdio: 'ignore' })
      const server = createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) }, (_, response) => {
        response.writeHead(206, { 'content-range': 'bytes 0-4/5' }).end('hello')
      }).listen(0, '127.0.0.1')
      await once(server, 'listening')
      const path = join(folder, 'tls')
      writeFileSync(path, 'xxxxx')
      const part = {
        url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/o?sig=x`,
        range: { start: 0, end: 5 },
        path,
        position: 0,
      }
      const strict = createPartTransport({ workers: 0 })
      const error = await strict.fetchPart(part).catch((failure: unknown) => failure)
      assert.ok(isScoreError(error, 'store-protocol') && /certificate/.test(error.message), String(error))
      for (const workers of [0, 1]) {
        const trusting = createPartTransport({ workers, network: { ca: readFileSync(cert, 'utf8') } })
        await trusting.fetchPart(part)
        await trusting.fetchPart(part)
        assert.is(readFileSync(path, 'utf8'), 'hello')
        await trusting.close()
      }
      await strict.close()
      server.close()
      server.closeAllConnections()
    })
  }

  test('a process ends by itself: with the transport closed, and with it idle', async () => {
    const store = await startFaultStore(Buffer.alloc(1000, 'x'))
    const script = join(folder, 'child.mts')
    const part = { url: `${store.url}/o`, range: { start: 0, end: 1000 }, path: join(folder, 'o'), position: 0 }
    writeFileSync(part.path, '')
    writeFileSync(
      script,
      `import { createPartTransport } from ${JSON.stringify(join(import.meta.dirname, '../../src/transfer/transport/create-part-transport.ts'))}
const transport = createPartTransport({ workers: 1 })
const fetched = await transport.fetchPart(${JSON.stringify(part)})
const trailing = transport.trailingHash({ path: ${JSON.stringify(part.path)}, partEnds: [1000] })
trailing.done(0)
console.log(fetched.md5 === await trailing.digest)
if (process.argv[2] === 'close') await transport.close()
`,
    )
    for (const end of ['close', 'idle']) {
      const options = { timeout: 240_000, cwd: join(import.meta.dirname, '../..') }
      const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', script, end], options)
      assert.is(stdout, 'true\n')
    }
    await store.close()
  })

  test('many parts under one signal are no leak', async () => {
    const warnings: Error[] = []
    const note = (warning: Error): void => void warnings.push(warning)
    process.on('warning', note)
    const store = await startFaultStore(Buffer.alloc(1000, 'x'))
    const path = join(folder, 'many')
    writeFileSync(path, '')
    const transport = createPartTransport({ workers: 0, connections: 20 })
    const { signal } = new AbortController()
    const part = { url: `${store.url}/o`, range: { start: 0, end: 1000 }, path, position: 0 }
    await Promise.all(Array.from({ length: 40 }, () => transport.fetchPart(part, { signal })))
    await new Promise((resolve) => setImmediate(resolve))
    process.off('warning', note)
    assert.equal(warnings, [])
    await transport.close()
    await store.close()
  })
})
