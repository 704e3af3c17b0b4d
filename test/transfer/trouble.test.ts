import { appendFile, mkdir, readFile, stat, truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { md5Hex } from '../../src/core/checksum.ts'
import { isScoreError, type ProblemCode, ScoreError } from '../../src/core/errors.ts'
import { suite } from '../support/suite.ts'
import type { Fault, StoreRequest } from './score-double.ts'
import { someBytes, type Workbench, withWorkbench } from './workbench.ts'

const KiB = 1024
const bytes = someBytes(500 * KiB)
const md5 = md5Hex(bytes)

async function failureOf(work: Promise<unknown>): Promise<ScoreError> {
  try {
    await work
  } catch (error) {
    assert.ok(isScoreError(error), `not a ScoreError: ${error instanceof Error ? error.stack : String(error)}`)
    assert.not.match(error.message, 'secret', 'the query of a signed URL is in a message')
    return error
  }
  throw new Error('it did not fail')
}

/** Fails the first tries of part 3. */
const part3 = (fault: Fault, tries: number) => (request: StoreRequest) =>
  request.partNumber === 3 && request.tryNumber < tries ? fault : undefined

const status = (code: number, headers: Record<string, string> = {}): Fault => ({ kind: 'status', status: code, headers })

interface StoreRow {
  readonly what: string
  readonly fault: Fault
  readonly tries: number
  /** Absent: the transfer succeeds all the same. */
  readonly fails?: ProblemCode
  /** Retries in the receipt. */
  readonly retries?: number
}

const both: readonly StoreRow[] = [
  { what: '500 twice', fault: status(500), tries: 2, retries: 2 },
  { what: '503 with Retry-After', fault: status(503, { 'retry-after': '7' }), tries: 1, retries: 1 },
  { what: '429', fault: status(429), tries: 1, retries: 1 },
  { what: '500 for ever', fault: status(500), tries: 99, fails: 'unavailable' },
  { what: 'reset before the answer', fault: { kind: 'reset-before' }, tries: 2 },
  { what: '403 once (run out)', fault: status(403), tries: 1, retries: 0 },
  { what: '403 for ever (denied)', fault: status(403), tries: 99, fails: 'access-denied' },
  { what: 'wrong signature', fault: { kind: 'status', status: 403, code: 'SignatureDoesNotMatch' }, tries: 1, fails: 'access-denied' },
  { what: 'a byte changed on the way, twice', fault: { kind: 'flip-byte' }, tries: 2, retries: 2 },
  { what: 'a byte changed on the way, always', fault: { kind: 'flip-byte' }, tries: 99, fails: 'checksum-mismatch' },
]

suite('trouble with the store: download', (test) => {
  const rows: readonly StoreRow[] = [
    ...both,
    { what: 'reset in the middle of a body', fault: { kind: 'reset-in-body' }, tries: 3, retries: 3 },
    { what: 'a 200 for a range', fault: { kind: 'whole-object' }, tries: 1, fails: 'store-protocol' },
    { what: 'another range than asked for', fault: { kind: 'wrong-range' }, tries: 99, fails: 'store-protocol' },
    { what: 'a login page', fault: { kind: 'html' }, tries: 1, fails: 'store-protocol' },
    { what: '404', fault: status(404), tries: 1, fails: 'object-not-found' },
    { what: '412', fault: status(412), tries: 1, fails: 'object-changed' },
    { what: '416 once', fault: status(416), tries: 1, retries: 0 },
    { what: '416 always', fault: status(416), tries: 99, fails: 'invalid-range' },
  ]
  for (const row of rows) {
    test(row.what, () =>
      withWorkbench(async ({ engine, score, objectId, folder, left, events }) => {
        score.put(objectId, bytes)
        score.fault = part3(row.fault, row.tries)
        const path = join(folder, 'a.bam')
        const work = engine.download({ objectId, path }, { progress: (event) => events.push(event) })
        if (row.fails) {
          const error = await failureOf(work)
          assert.is(error.code, row.fails, error.message)
          assert.not.ok((await left()).includes('a.bam'))
          score.fault = undefined
          const receipt = await engine.download({ objectId, path })
          assert.ok(receipt.partsKept >= 1, 'parts of the first run are kept')
        } else {
          const receipt = await work
          if (row.retries !== undefined) assert.is(receipt.retries, row.retries)
        }
        assert.equal(await readFile(path), bytes)
        assert.equal(await left(), ['a.bam'])
      }),
    )
  }

  test('what Retry-After asks for is waited', () =>
    withWorkbench(async ({ engine, score, objectId, folder, waits }) => {
      score.put(objectId, bytes)
      score.fault = part3(status(503, { 'retry-after': '7' }), 1)
      await engine.download({ objectId, path: join(folder, 'a') })
      assert.is(waits.length, 1)
      assert.ok((waits[0] as number) >= 7000 && (waits[0] as number) <= 8000)
    }))

  test('bytes of failed tries are taken back from the progress', () =>
    withWorkbench(async ({ engine, score, objectId, folder, events }) => {
      score.put(objectId, bytes)
      score.fault = part3({ kind: 'reset-in-body' }, 3)
      await engine.download({ objectId, path: join(folder, 'a') }, { progress: (event) => events.push(event) })
      assert.is(
        events.reduce((sum, event) => sum + (event.type === 'bytes' ? event.count : 0), 0),
        bytes.length,
      )
    }))

  test('an object replaced while it comes down is no file', () =>
    withWorkbench(async ({ engine, score, objectId, folder, left }) => {
      score.put(objectId, bytes)
      score.fault = (request) => {
        if (request.partNumber === 5) score.put(objectId, someBytes(bytes.length, 2))
        return undefined
      }
      const error = await failureOf(engine.download({ objectId, path: join(folder, 'a') }, { concurrency: 1 }))
      assert.is(error.code, 'object-changed')
      score.fault = undefined
      const again = await failureOf(engine.download({ objectId, path: join(folder, 'a') }))
      assert.is(again.code, 'object-changed')
      assert.match(again.message, '--force')
      await engine.download({ objectId, path: join(folder, 'a'), overwrite: true })
      assert.equal(await readFile(join(folder, 'a')), someBytes(bytes.length, 2))
      assert.equal(await left(), ['a'])
    }))

  test('the ETag is kept across runs, for parts that nothing else vouches for', () =>
    withWorkbench(async ({ engine, score, objectId, folder }) => {
      const range = { start: 10, end: 400_000 }
      const task = { objectId, path: join(folder, 'a'), range }
      score.put(objectId, bytes)
      score.fault = (request) => (request.partNumber === 5 ? status(500) : undefined)
      assert.is((await failureOf(engine.download(task))).code, 'unavailable')
      score.put(objectId, someBytes(bytes.length, 2))
      score.fault = undefined
      const before = score.requests.length
      assert.is((await failureOf(engine.download(task))).code, 'object-changed')
      assert.ok(score.requests.slice(before).every((request) => request.headers['if-match'] !== undefined))
      await engine.download({ ...task, overwrite: true })
      assert.equal(await readFile(join(folder, 'a')), someBytes(bytes.length, 2).subarray(10, 400_000))
    }))

  test('parts that agree but make another whole: both digests, no file; parts alone may be asked for', () =>
    withWorkbench(async ({ engine, score, objectId, folder, left }) => {
      score.put(objectId, bytes, { md5: '0'.repeat(32) })
      const path = join(folder, 'a')
      for (let run = 0; run < 2; run++) {
        const error = await failureOf(engine.download({ objectId, path }))
        assert.is(error.code, 'checksum-mismatch')
        assert.match(error.message, '0'.repeat(32))
        assert.match(error.message, md5)
        assert.not.ok((await left()).includes('a'))
      }
      const receipt = await engine.download({ objectId, path, verify: 'parts' })
      assert.is(receipt.verified, 'parts')
      assert.equal(await readFile(path), bytes)
    }))

  test('no digests of parts and a wrong whole: nothing is kept, the next run fetches all', () =>
    withWorkbench(async ({ engine, score, objectId, folder }) => {
      score.put(objectId, bytes, { partMd5s: false })
      score.fault = part3({ kind: 'flip-byte' }, 1)
      const path = join(folder, 'a')
      assert.is((await failureOf(engine.download({ objectId, path }))).code, 'checksum-mismatch')
      assert.is((await engine.download({ objectId, path })).partsKept, 0)
      assert.equal(await readFile(path), bytes)
    }))

  test('verify none looks at lengths alone', () =>
    withWorkbench(async ({ engine, score, objectId, folder }) => {
      score.put(objectId, bytes)
      score.fault = part3({ kind: 'flip-byte' }, 1)
      const receipt = await engine.download({ objectId, path: join(folder, 'a'), verify: 'none' })
      assert.is(receipt.verified, 'lengths')
      assert.not.equal(await readFile(join(folder, 'a')), bytes)
    }))
})

suite('trouble with the store: upload', (test) => {
  const rows: readonly StoreRow[] = [
    ...both,
    { what: 'another ETag than the MD5, always', fault: { kind: 'wrong-etag' }, tries: 99, fails: 'checksum-mismatch' },
    { what: 'NoSuchUpload', fault: status(404), tries: 1, fails: 'upload-not-found' },
  ]
  for (const row of rows) {
    test(row.what, () =>
      withWorkbench(async ({ engine, score, objectId, file, left }) => {
        const path = await file('a.bam', bytes)
        score.fault = part3(row.fault, row.tries)
        const work = engine.upload({ objectId, from: { path }, md5 })
        if (row.fails) {
          const error = await failureOf(work)
          assert.is(error.code, row.fails, error.message)
          assert.is(score.objects.has(objectId), false)
          score.fault = undefined
          const receipt = await engine.upload({ objectId, from: { path }, md5 })
          assert.ok(receipt.partsKept >= 5, 'what was in flight when the part failed is kept')
          assert.is(receipt.partsRechecked, 0)
        } else {
          const receipt = await work
          if (row.retries !== undefined) assert.is(receipt.retries, row.retries)
        }
        assert.equal(score.objects.get(objectId)?.bytes, bytes)
        assert.equal(await left(), ['a.bam'])
      }),
    )
  }
})

type ServiceRow = readonly [what: string, call: string, when: 'refuse' | 'lose', times: number, code: ProblemCode, fails?: ProblemCode]

suite('trouble with the service: upload', (test) => {
  const rows: readonly ServiceRow[] = [
    ['no right', 'openUpload', 'refuse', 1, 'access-denied', 'access-denied'],
    ['token run out in the middle', 'finalizePart', 'refuse', 1, 'unauthenticated', 'unauthenticated'],
    ['registration 503', 'finalizePart', 'refuse', 3, 'unavailable'],
    ['registration says no such part', 'finalizePart', 'refuse', 2, 'part-mismatch'],
    ['registration answers lost', 'finalizePart', 'lose', 2, 'unavailable'],
    ['finalise 503', 'finalizeUpload', 'refuse', 2, 'unavailable'],
    ['finalise answer lost', 'finalizeUpload', 'lose', 1, 'unavailable'],
    ['finalise answer lost, then unknown', 'finalizeUpload', 'lose', 1, 'upload-not-found'],
    ['open answer lost', 'openUpload', 'lose', 1, 'unavailable', 'unavailable'],
  ]
  for (const [what, call, when, times, code, fails] of rows) {
    test(what, () =>
      withWorkbench(async ({ engine, score, objectId, file, left }) => {
        const path = await file('a.bam', bytes)
        let left_ = times
        score[when] = (name) => (name === call && left_-- > 0 ? new ScoreError(code, 'planned') : undefined)
        const work = engine.upload({ objectId, from: { path }, md5 })
        if (fails) {
          assert.is((await failureOf(work)).code, fails)
          await engine.upload({ objectId, from: { path }, md5 })
        } else await work
        assert.equal(score.objects.get(objectId)?.bytes, bytes)
        assert.equal(await left(), ['a.bam'])
      }),
    )
  }

  test('a part is not sent again because its registration failed', () =>
    withWorkbench(async ({ engine, score, objectId, file }) => {
      let left_ = 3
      score.refuse = (name) => (name === 'finalizePart' && left_-- > 0 ? new ScoreError('unavailable', 'planned') : undefined)
      await engine.upload({ objectId, from: { path: await file('a', bytes) }, md5 })
      assert.is(score.requests.length, 8)
    }))

  test('parts that the service lost sight of are sent again before it is finished', () =>
    withWorkbench(async ({ engine, score, objectId, file }) => {
      score.refuse = (name) => {
        if (name === 'finalizeUpload') {
          score.uploads.get(objectId)?.registered.delete(2)
          score.refuse = undefined
        }
        return undefined
      }
      await engine.upload({ objectId, from: { path: await file('a', bytes) }, md5 })
      assert.is(score.requests.filter((request) => request.partNumber === 2).length, 2)
    }))
})

suite('trouble with the file to upload', (test) => {
  const cases: readonly (readonly [string, ProblemCode, RegExp, (bench: Workbench) => Promise<string>])[] = [
    ['missing', 'invalid-request', /^File '.*gone' does not exist/, async ({ folder }) => join(folder, 'gone')],
    ['empty', 'invalid-request', /is empty\. Uploads of empty files are not permitted/, ({ file }) => file('empty', Buffer.alloc(0))],
    ['a folder', 'invalid-request', /is a folder/, async ({ folder }) => folder],
  ]
  for (const [what, code, message, make] of cases) {
    test(what, () =>
      withWorkbench(async (bench) => {
        const error = await failureOf(bench.engine.upload({ objectId: bench.objectId, from: { path: await make(bench) } }))
        assert.is(error.code, code)
        assert.match(error.message, message)
        assert.is(bench.score.calls.length, 0)
      }),
    )
  }

  test('unreadable, in a way that root meets too', () =>
    withWorkbench(async ({ engine, objectId, file }) => {
      const path = join(await file('a', bytes), 'below-a-file')
      const error = await failureOf(engine.upload({ objectId, from: { path } }))
      assert.is(error.code, 'local-storage')
      assert.match(error.message, path)
    }))

  const changes: readonly (readonly [string, (path: string) => Promise<void>])[] = [
    ['grows', (path) => appendFile(path, 'more')],
    ['shrinks', (path) => truncate(path, 100_000)],
    ['is rewritten', (path) => writeFile(path, someBytes(500 * KiB, 9))],
    ['is touched', (path) => utimes(path, 1, 1)],
  ]
  for (const [what, change] of changes) {
    test(`${what} while it is sent: nothing is finished`, () =>
      withWorkbench(async ({ engine, score, objectId, file }) => {
        const path = await file('a', bytes)
        let changed: Promise<void> | undefined
        score.refuse = (name) => {
          if (name === 'finalizePart') changed ??= change(path)
          return undefined
        }
        const error = await failureOf(engine.upload({ objectId, from: { path }, md5 }, { concurrency: 1 }))
        await changed
        assert.ok(isScoreError(error, 'size-changed', 'object-changed', 'checksum-mismatch'), error.message)
        assert.is(score.objects.has(objectId), false)
      }))
  }

  test('a wrong MD5: both digests, the upload is cancelled, no state is left', () =>
    withWorkbench(async ({ engine, score, objectId, file, left }) => {
      const path = await file('a', bytes)
      const error = await failureOf(engine.upload({ objectId, from: { path }, md5: 'f'.repeat(32) }))
      assert.is(error.code, 'checksum-mismatch')
      assert.match(error.message, 'f'.repeat(32))
      assert.match(error.message, md5)
      assert.is(score.uploads.size + score.objects.size, 0)
      assert.equal(await left(), ['a'])
    }))

  test('a place for the state that is none: told how to name another', () =>
    withWorkbench(async ({ engine, objectId, file }) => {
      const path = await file('a', bytes)
      const error = await failureOf(engine.upload({ objectId, from: { path }, md5, stateDir: path }))
      assert.is(error.code, 'local-storage')
      assert.match(error.message, 'client.uploadStateDir')
    }))

  test('an MD5 that is none, an id that is none', () =>
    withWorkbench(async ({ engine, objectId, file }) => {
      const path = await file('a', bytes)
      assert.is((await failureOf(engine.upload({ objectId, from: { path }, md5: 'x' }))).code, 'invalid-request')
      assert.is((await failureOf(engine.upload({ objectId: '../x', from: { path } }))).code, 'invalid-request')
      assert.is((await failureOf(engine.download({ objectId: '../x', path: join(path, '..', 'y') }))).code, 'invalid-request')
    }))
})

suite('targets and locks', (test) => {
  test('an existing file is refused, skipped or replaced', () =>
    withWorkbench(async ({ engine, score, objectId, file, left }) => {
      score.put(objectId, bytes)
      const path = await file('a', Buffer.from('old'))
      const error = await failureOf(engine.download({ objectId, path }))
      assert.is(error.code, 'target-exists')
      assert.match(error.message, path)
      const skipped = await engine.download({ objectId, path, ifExists: 'skip' })
      assert.is(skipped.skipped, true)
      assert.is(skipped.size, 3)
      assert.is(score.calls.length, 0)
      await engine.download({ objectId, path, overwrite: true })
      assert.equal(await readFile(path), bytes)
      assert.equal(await left(), ['a'])
    }))

  test('a folder at the target is not replaced', () =>
    withWorkbench(async ({ engine, score, objectId, folder }) => {
      score.put(objectId, bytes)
      await mkdir(join(folder, 'a'))
      assert.is((await failureOf(engine.download({ objectId, path: join(folder, 'a'), overwrite: true }))).code, 'target-exists')
    }))

  test('a file that appears meanwhile is not overwritten', () =>
    withWorkbench(async ({ engine, score, objectId, folder }) => {
      score.put(objectId, bytes)
      const path = join(folder, 'a')
      let appeared: Promise<void> | undefined
      score.fault = () => {
        appeared ??= writeFile(path, 'someone else')
        return undefined
      }
      assert.is((await failureOf(engine.download({ objectId, path }))).code, 'target-exists')
      await appeared
      assert.is(await readFile(path, 'utf8'), 'someone else')
    }))

  for (const direction of ['download', 'upload'] as const) {
    test(`two at once, ${direction}: the second is told, or waits`, () =>
      withWorkbench(async ({ engine, newEngine, score, objectId, folder, file }) => {
        let open: () => void = () => undefined
        const until = new Promise<void>((resolve) => {
          open = resolve
        })
        const path = await file('a', bytes)
        if (direction === 'download') score.put(objectId, bytes)
        let arrived: () => void = () => undefined
        const holding = new Promise<void>((resolve) => {
          arrived = resolve
        })
        score.fault = () => {
          arrived()
          return { kind: 'hold', until }
        }
        const run = (own = engine, waitForLock = false) =>
          direction === 'upload'
            ? own.upload({ objectId, from: { path }, md5 }, { waitForLock })
            : own.download({ objectId, path: join(folder, 'b'), ifExists: 'skip' }, { waitForLock })
        const first = run()
        await holding
        const error = await failureOf(run(newEngine()))
        assert.is(error.code, 'already-running')
        const second = run(newEngine(), true)
        open()
        await first
        if (direction === 'download') assert.is((await second).skipped, true)
        else assert.is((await failureOf(second)).code, 'object-exists')
      }))
  }

  test('one object into two folders at once', () =>
    withWorkbench(async ({ engine, score, objectId, folder }) => {
      score.put(objectId, bytes)
      await Promise.all(['x', 'y'].map((name) => engine.download({ objectId, path: join(folder, name, 'a') })))
      assert.is((await stat(join(folder, 'y', 'a'))).size, bytes.length)
    }))

  test('an object that exists is refused, and replaced with overwrite', () =>
    withWorkbench(async ({ engine, score, objectId, file, left }) => {
      score.put(objectId, someBytes(10))
      const path = await file('a', bytes)
      const error = await failureOf(engine.upload({ objectId, from: { path }, md5 }))
      assert.is(error.code, 'object-exists')
      assert.is(error.message, `Object id ${objectId} already exists remotely and --force was not specified. Aborting...`)
      await engine.upload({ objectId, from: { path }, md5, overwrite: true })
      assert.equal(score.objects.get(objectId)?.bytes, bytes)
      assert.equal(await left(), ['a'])
    }))
})

suite('end by signal', (test) => {
  for (const direction of ['download', 'upload'] as const) {
    test(`${direction}: ends at once with the signal's reason, and goes on later`, () =>
      withWorkbench(async ({ engine, score, objectId, folder, file }) => {
        const path = await file('a', bytes)
        if (direction === 'download') score.put(objectId, bytes)
        const stop = new AbortController()
        const reason = new Error('SIGINT')
        score.fault = (request) => {
          if (request.partNumber !== 4) return undefined
          setTimeout(() => stop.abort(reason), 20)
          return { kind: 'hold', until: new Promise(() => undefined) }
        }
        const run = (signal?: AbortSignal) => {
          const options = { concurrency: 1, ...(signal ? { signal } : {}) }
          return direction === 'upload'
            ? engine.upload({ objectId, from: { path }, md5 }, options)
            : engine.download({ objectId, path: join(folder, 'b') }, options)
        }
        const thrown = await run(stop.signal).catch((error: unknown) => error)
        assert.is(thrown, reason)
        score.fault = undefined
        const receipt = await run()
        assert.is(receipt.partsKept, 3)
        assert.is(receipt.partsMoved, 5)
      }))
  }
})
