import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { md5Hex } from '../../src/core/checksum.ts'
import { isScoreError, ScoreError } from '../../src/core/errors.ts'
import { suite } from '../support/suite.ts'
import { someBytes, withWorkbench } from './workbench.ts'

const bytes = someBytes(500 * 1024)
const md5 = md5Hex(bytes)

suite('URLs that run out during a transfer', (test) => {
  for (const direction of ['upload', 'download'] as const) {
    test(`${direction}: fresh ones serve all parts, nothing starts anew`, () => {
      let now = Date.UTC(2026, 0, 1)
      return withWorkbench(
        async ({ engine, score, objectId, folder, file, events }) => {
          score.now = () => now
          score.urlSeconds = 100
          const path = direction === 'upload' ? await file('a', bytes) : join(folder, 'a')
          if (direction === 'download') score.put(objectId, bytes)
          // Each request costs 40 s: the URLs of the start serve two parts.
          score.fault = () => {
            now += 40_000
            return undefined
          }
          const options = { concurrency: 1, progress: (event: (typeof events)[number]) => events.push(event) }
          const receipt = await (direction === 'upload'
            ? engine.upload({ objectId, from: { path }, md5 }, options)
            : engine.download({ objectId, path }, options))
          assert.is(receipt.partsMoved, 8)
          assert.is(receipt.retries, 0)
          const renewals = events.filter((event) => event.type === 'renewed-urls').length
          assert.ok(renewals >= 3 && renewals <= 8, `${renewals} renewals`)
          assert.is(score.calls.filter((call) => call === 'openUpload').length, direction === 'upload' ? 1 : 0)
          assert.equal(direction === 'upload' ? score.objects.get(objectId)?.bytes : await readFile(path), bytes)
        },
        { now: () => now },
      )
    })
  }

  test('a machine that slept: all parts find their URLs over, one call renews them', () => {
    let now = Date.UTC(2026, 0, 1)
    return withWorkbench(
      async ({ engine, score, objectId, folder }) => {
        // The engine's clock stood still meanwhile: only the refusals tell.
        score.now = () => now
        score.urlSeconds = 3600
        score.put(objectId, bytes)
        let slept = false
        score.fault = () => {
          if (!slept) now += 7_200_000
          slept = true
          return undefined
        }
        const receipt = await engine.download({ objectId, path: join(folder, 'a') })
        assert.is(score.calls.filter((call) => call === 'downloadSpec').length, 2)
        assert.is(receipt.retries, 0)
        assert.equal(await readFile(join(folder, 'a')), bytes)
      },
      { now: () => Date.UTC(2026, 0, 1) },
    )
  })

  test('an upload whose URLs the service cannot sign again: told so, resumable only by starting over', () => {
    let now = Date.UTC(2026, 0, 1)
    return withWorkbench(
      async ({ engine, score, objectId, file }) => {
        score.now = () => now
        score.keepsUploadUrls = true
        const path = await file('a', bytes)
        score.fault = (request) => (request.partNumber === 5 ? { kind: 'status', status: 403, code: 'SignatureDoesNotMatch' } : undefined)
        const run = (overwrite = false) =>
          engine.upload({ objectId, from: { path }, md5, overwrite }, { concurrency: 1 }).catch((error: unknown) => error)
        await run()
        score.fault = undefined
        now += 7 * 86_400_000
        const error = await run()
        assert.ok(isScoreError(error, 'url-expired'), String(error))
        assert.match((error as ScoreError).message, '--force')
        const receipt = await run(true)
        assert.not.instance(receipt, Error)
        assert.equal(score.objects.get(objectId)?.bytes, bytes)
      },
      { now: () => now },
    )
  })

  test('the upload was replaced by another while its URLs were renewed', () => {
    let now = Date.UTC(2026, 0, 1)
    return withWorkbench(
      async ({ engine, score, objectId, file }) => {
        score.now = () => now
        score.urlSeconds = 100
        score.fault = (request) => {
          if (request.partNumber === 2) {
            now += 90_000
            void score.api.openUpload({ objectId, size: bytes.length })
          }
          return undefined
        }
        const error = await engine
          .upload({ objectId, from: { path: await file('a', bytes) }, md5 }, { concurrency: 1 })
          .catch((reason: unknown) => reason)
        assert.ok(isScoreError(error, 'upload-not-found'), String(error))
      },
      { now: () => now },
    )
  })

  test('silence: no byte for five minutes ends the tries', () => {
    let now = Date.UTC(2026, 0, 1)
    return withWorkbench(
      async ({ engine, score, objectId, folder }) => {
        score.put(objectId, bytes)
        score.fault = () => ({ kind: 'status', status: 503, headers: { 'retry-after': '120' } })
        const error = await engine.download({ objectId, path: join(folder, 'a') }, { concurrency: 1 }).catch((reason: unknown) => reason)
        assert.ok(isScoreError(error, 'unavailable'), String(error))
        assert.ok(score.requests.length < 6, `${score.requests.length} tries`)
      },
      {
        now: () => now,
        sleep: async (ms) => {
          now += ms
        },
      },
    )
  })

  test('time spent on hashing before the store is asked is no silence', () => {
    let now = Date.UTC(2026, 0, 1)
    return withWorkbench(
      async ({ engine, score, objectId, file }) => {
        const path = await file('a', bytes)
        score.refuse = (name) => {
          // As long as the whole is hashed after the last part, or parts before the first.
          if (name === 'finalizeUpload') {
            score.refuse = undefined
            return new ScoreError('unavailable', 'planned')
          }
          now += 600_000
          return undefined
        }
        score.fault = (request) => (request.partNumber === 1 && request.tryNumber === 0 ? { kind: 'status', status: 500 } : undefined)
        score.now = () => now
        const receipt = await engine.upload({ objectId, from: { path }, md5 }, { concurrency: 1 })
        assert.is(receipt.retries, 1)
      },
      { now: () => now },
    )
  })
})
