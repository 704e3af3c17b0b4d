import { setTimeout as wait } from 'node:timers/promises'
import * as assert from 'uvu/assert'
import type { ProblemCode } from '../../../src/core/errors.ts'
import { failureOf } from '../../support/failure-of.ts'
import type { FaultBench } from './fault-bench.ts'
import type { FaultRule, ProxyFault, S3Operation } from './fault-proxy.ts'

/** Trouble between a score and its store, on a store that runs. */
export interface FaultCase {
  readonly name: string
  check(bench: FaultBench): Promise<void>
}

function errorBody(code: string, message = 'said by the proxy'): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message></Error>`
}

function refusal(status: number, code: string, headers: Readonly<Record<string, string>> = {}): ProxyFault {
  return { kind: 'answer', status, body: errorBody(code), headers }
}

const internalError = refusal(500, 'InternalError')
const slowDown = refusal(503, 'SlowDown')
const tooMany = refusal(429, 'TooManyRequests', { 'retry-after': '7' })

type Phase = 'upload' | 'download'

/** One fault that is over when the request is repeated: the transfer ends well, and the fault was really met. */
interface PassingFault {
  readonly phase: Phase
  readonly fault: string
  readonly rule: FaultRule
  /** Least wait before a repeat that the store asked for, in ms. */
  readonly askedWaitMs?: number
}

function passing(phase: Phase, operation: S3Operation, fault: string, what: ProxyFault, more: Partial<FaultRule> = {}): PassingFault {
  return { phase, fault: `${fault} (${operation}${more.path ? ` of ${more.path}` : ''})`, rule: { operation, fault: what, ...more } }
}

const passingFaults: readonly PassingFault[] = [
  passing('upload', 'UploadPart', 'a delay', { kind: 'delay', ms: 300 }),
  passing('upload', 'UploadPart', 'a reset', { kind: 'reset' }, { times: 2 }),
  passing('upload', 'UploadPart', 'a cut in the body', { kind: 'cut-request', afterBytes: 1_000_000 }, { times: 2 }),
  passing('upload', 'UploadPart', 'a lost answer', { kind: 'lost-answer' }),
  passing('upload', 'UploadPart', '500', internalError, { times: 2 }),
  passing('upload', 'UploadPart', '503 SlowDown', slowDown, { times: 2 }),
  { ...passing('upload', 'UploadPart', '429 with Retry-After', tooMany), askedWaitMs: 7000 },
  passing('upload', 'UploadPart', 'a wrong ETag', { kind: 'etag', value: '"0123456789abcdef0123456789abcdef"' }),
  passing('upload', 'UploadPart', 'no ETag', { kind: 'etag' }, { times: 3 }),
  passing('upload', 'CreateMultipartUpload', 'a reset', { kind: 'reset' }),
  passing('upload', 'CreateMultipartUpload', 'a lost answer', { kind: 'lost-answer' }),
  passing('upload', 'CreateMultipartUpload', '503 SlowDown', slowDown, { times: 2 }),
  passing('upload', 'PutObject', 'a reset', { kind: 'reset' }, { times: 2 }),
  passing('upload', 'PutObject', 'a lost answer', { kind: 'lost-answer' }, { times: 2 }),
  passing('upload', 'PutObject', '500', internalError, { times: 2 }),
  passing('upload', 'ListParts', '503 SlowDown', slowDown),
  passing('upload', 'ListParts', 'a cut in the answer', { kind: 'cut-answer', afterBytes: 50 }),
  passing('upload', 'ListObjects', '500', internalError),
  passing('upload', 'HeadObject', '503 SlowDown', slowDown),
  passing('upload', 'CompleteMultipartUpload', 'a reset', { kind: 'reset' }),
  passing('upload', 'CompleteMultipartUpload', 'a lost answer', { kind: 'lost-answer' }),
  passing('upload', 'CompleteMultipartUpload', '500', internalError),
  passing('upload', 'CompleteMultipartUpload', '503 SlowDown', slowDown),
  { ...passing('upload', 'CompleteMultipartUpload', '429 with Retry-After', tooMany), askedWaitMs: 7000 },
  passing('upload', 'CompleteMultipartUpload', '200 with an error in the body', refusal(200, 'InternalError'), { times: 2 }),
  passing('upload', 'CompleteMultipartUpload', 'another ETag', { kind: 'etag', value: '"0"' }),
  passing('upload', 'DeleteObject', '503 SlowDown', slowDown),
  passing('upload', 'DeleteObjects', 'a reset', { kind: 'reset' }),
  passing('upload', 'DeleteObjects', 'a lost answer', { kind: 'lost-answer' }),
  passing('upload', 'DeleteObjects', '503 SlowDown', slowDown, { times: 2 }),
  passing('download', 'GetObject', 'a delay', { kind: 'delay', ms: 300 }, { path: '/faults.data/' }),
  passing('download', 'GetObject', 'a reset', { kind: 'reset' }, { path: '/faults.data/', times: 2 }),
  passing('download', 'GetObject', 'a cut in the body', { kind: 'cut-answer', afterBytes: 1_000_000 }, { path: '/faults.data/', times: 2 }),
  passing('download', 'GetObject', '500', internalError, { path: '/faults.data/', times: 2 }),
  passing('download', 'GetObject', '503 SlowDown', slowDown, { path: '/faults.data/', times: 2 }),
  { ...passing('download', 'GetObject', '429 with Retry-After', tooMany, { path: '/faults.data/' }), askedWaitMs: 7000 },
  passing('download', 'GetObject', 'no ETag', { kind: 'etag' }, { path: '/faults.data/', times: 3 }),
  passing('download', 'GetObject', 'a reset', { kind: 'reset' }, { path: '.meta' }),
  passing('download', 'GetObject', '503 SlowDown', slowDown, { path: '.meta' }),
]

function passingCase({ phase, fault, rule, askedWaitMs }: PassingFault): FaultCase {
  return {
    name: `${phase}: ${fault} is got over`,
    async check(bench) {
      const objectId = phase === 'upload' ? await bench.registered() : await bench.stored()
      bench.forget()
      bench.proxy.script(rule)
      if (phase === 'upload') await bench.upload(objectId)
      else await bench.download(objectId)
      assert.is(bench.proxy.pending, 0, 'the fault was met')
      if (askedWaitMs !== undefined) assert.ok(Math.max(0, ...bench.waits) >= askedWaitMs, `waited ${bench.waits.join(', ')} ms`)
      bench.proxy.script()
      if (phase === 'upload') {
        await bench.service.publish(objectId)
        await bench.download(objectId)
      }
    },
  }
}

/** A fault that stays: who meets it is told what it is, in words that name the way out. */
interface LastingFault {
  readonly name: string
  readonly phase: Phase
  readonly rule: FaultRule
  readonly code: ProblemCode
  readonly says: RegExp
}

const always = { times: 1_000_000 }

const lastingFaults: readonly LastingFault[] = [
  {
    name: 'session credentials that ran out',
    phase: 'upload',
    rule: { operation: 'CreateMultipartUpload', fault: refusal(400, 'ExpiredToken'), ...always },
    code: 'invalid-configuration',
    says: /renew them/,
  },
  {
    name: 'no right to begin an upload',
    phase: 'upload',
    rule: { operation: 'CreateMultipartUpload', fault: refusal(403, 'AccessDenied'), ...always },
    code: 'invalid-configuration',
    says: /refuses this server's credentials.*give the key the right/,
  },
  {
    name: 'no right to list a bucket',
    phase: 'upload',
    rule: { operation: 'ListObjects', fault: refusal(403, 'AccessDenied'), ...always },
    code: 'invalid-configuration',
    says: /did not list faults\.state.*give the key the right/,
  },
  {
    name: 'no right to read state',
    phase: 'download',
    rule: { operation: 'GetObject', path: '.meta', fault: refusal(403, 'AccessDenied'), ...always },
    code: 'invalid-configuration',
    says: /did not read faults\.state.*give the key the right/,
  },
  {
    name: 'a bucket of another region (301)',
    phase: 'upload',
    rule: {
      operation: 'CreateMultipartUpload',
      fault: refusal(301, 'PermanentRedirect', { 'x-amz-bucket-region': 'eu-central-1' }),
      ...always,
    },
    code: 'invalid-configuration',
    says: /names the region eu-central-1; set the region/,
  },
  {
    name: 'a bucket of another region (307)',
    phase: 'upload',
    rule: {
      operation: 'CreateMultipartUpload',
      fault: refusal(307, 'TemporaryRedirect', { 'x-amz-bucket-region': 'eu-central-1', location: 'http://127.0.0.1:9/' }),
      ...always,
    },
    code: 'unavailable',
    says: /names the region eu-central-1/,
  },
  {
    name: 'a signature for another region (400)',
    phase: 'upload',
    rule: { operation: 'CreateMultipartUpload', fault: refusal(400, 'AuthorizationHeaderMalformed'), ...always },
    code: 'invalid-configuration',
    says: /set the region of the store/,
  },
  {
    name: 'an error in the body of every completion',
    phase: 'upload',
    rule: { operation: 'CompleteMultipartUpload', fault: refusal(200, 'InternalError'), ...always },
    code: 'unavailable',
    says: /did not join the parts/,
  },
  {
    name: 'a wrong ETag of every part',
    phase: 'upload',
    rule: { operation: 'UploadPart', fault: { kind: 'etag', value: '"0123456789abcdef0123456789abcdef"' }, ...always },
    code: 'checksum-mismatch',
    says: /the store holds bytes with the MD5 0123456789abcdef/,
  },
  {
    name: 'an answer that is none of S3',
    phase: 'upload',
    rule: {
      operation: 'CreateMultipartUpload',
      fault: { kind: 'answer', status: 200, body: '<html>log in to the network</html>', headers: { 'content-type': 'text/html' } },
      ...always,
    },
    code: 'store-protocol',
    says: /proxy may stand between|without giving its id/,
  },
]

function lastingCase({ name, phase, rule, code, says }: LastingFault): FaultCase {
  return {
    name: `${phase}: ${name} is told`,
    async check(bench) {
      const objectId = phase === 'upload' ? await bench.registered() : await bench.stored()
      bench.proxy.script(rule)
      const error = await failureOf(phase === 'upload' ? bench.upload(objectId) : bench.download(objectId))
      bench.proxy.script()
      assert.is(error.code, code, error.message)
      assert.match(error.message, says)
      assert.not.match(error.message, /X-Amz-Signature|X-Amz-Credential/)
      // Nothing is spoilt: once the fault is gone, the same file arrives.
      if (phase === 'upload') {
        await bench.upload(objectId)
        await bench.service.publish(objectId)
      }
      await bench.download(objectId)
    },
  }
}

const minuteMs = 60_000

const outages: readonly FaultCase[] = [
  {
    name: 'upload: a store that is gone for a minute in the middle is waited for',
    async check(bench) {
      const objectId = await bench.registered()
      bench.forget()
      // The second part goes down with the store.
      bench.proxy.script({ operation: 'UploadPart', path: 'partNumber=2', fault: slowDown })
      // Waits take no time here, so they are the clock.
      let gone = false
      bench.onWait(async () => {
        if (!gone) {
          gone = true
          await bench.proxy.down()
        }
        if (sum(bench.waits) >= minuteMs) await bench.proxy.up()
      })
      await bench.upload(objectId)
      bench.onWait(async () => undefined)
      assert.ok(gone && sum(bench.waits) >= minuteMs, `waited ${sum(bench.waits)} ms`)
      await bench.service.publish(objectId)
      await bench.download(objectId)
    },
  },
  {
    name: 'upload: a store that is gone for good ends it, and the next run sends what is missing',
    async check(bench) {
      const objectId = await bench.registered()
      // The second part never gets through; when the two others are registered, the store goes.
      bench.proxy.script({ operation: 'UploadPart', path: 'partNumber=2', fault: slowDown, ...always })
      let gone = false
      bench.onWait(async () => {
        if (gone) return
        gone = true
        await untilHeld(bench, objectId, 2)
        await bench.proxy.down()
      })
      const error = await failureOf(bench.upload(objectId))
      assert.is(error.code, 'unavailable', error.message)
      bench.onWait(async () => undefined)
      bench.proxy.script()
      await bench.proxy.up()
      const receipt = await bench.upload(objectId)
      assert.equal([receipt.partsMoved, receipt.partsKept], [1, 2])
      await bench.service.publish(objectId)
      await bench.download(objectId)
    },
  },
  {
    name: 'a store that falls silent, and one that trickles for ever, are given up in bound',
    async check(bench) {
      const impatient = bench.driver({ idleTimeoutMs: 1500, requestTimeoutMs: 3000 })
      const address = { bucket: bench.store.bucket, key: 'faults/slow' }
      await bench.backend.put(address, Buffer.from('x'))
      const calls: Readonly<Record<string, readonly [S3Operation, () => Promise<unknown>]>> = {
        head: ['HeadObject', () => impatient.head(address)],
        get: ['GetObject', () => drained(impatient.get(address))],
        put: ['PutObject', () => impatient.put(address, Buffer.from('y'))],
        list: ['ListObjects', () => drained(impatient.list(address))],
        begin: ['CreateMultipartUpload', () => impatient.createMultipart(address)],
      }
      for (const [name, [operation, call]] of Object.entries(calls)) {
        for (const fault of [{ kind: 'silence' }, { kind: 'trickle', everyMs: 100 }] as const) {
          // An answer to HEAD has nothing that could trickle.
          if (fault.kind === 'trickle' && operation === 'HeadObject') continue
          bench.proxy.script({ operation, fault })
          const error = await failureOf(call())
          assert.is(error.code, 'unavailable', `${name}, ${fault.kind}: ${error.message}`)
          assert.is(bench.proxy.pending, 0)
        }
      }
      bench.proxy.script()
      assert.is((await bench.backend.head(address))?.size, 1)
    },
  },
]

/** Waits until so many parts of an upload are registered. */
async function untilHeld({ service, body }: FaultBench, objectId: string, count: number): Promise<void> {
  const deadline = Date.now() + minuteMs
  for (;;) {
    const { parts } = await service.api.resumeUpload({ objectId, size: body.length })
    if (parts.filter((part) => part.md5 !== undefined).length >= count) return
    assert.ok(Date.now() < deadline, `${count} parts were not registered within a minute`)
    await wait(20)
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0)
}

async function drained(items: AsyncIterable<unknown>): Promise<number> {
  let count = 0
  for await (const _item of items) count++
  return count
}

const tebibyte = 1024 ** 4

const refusedEarly: readonly FaultCase[] = [
  {
    name: 'upload: an object that needs larger parts than any store takes is refused before the store is asked',
    async check({ service, proxy, md5 }) {
      const size = 20 * tebibyte
      const objectId = await service.register({ size, md5, access: 'controlled' })
      const before = proxy.counts().CreateMultipartUpload
      const error = await failureOf(service.api.openUpload({ objectId, size, md5 }))
      assert.is(error.code, 'invalid-request')
      assert.match(error.message, /the largest part is 2147483647 bytes and there can be 10000 of them/)
      assert.is(proxy.counts().CreateMultipartUpload, before)
    },
  },
]

const damaged: readonly FaultCase[] = [
  {
    name: 'download: a `.meta` that was damaged by hand is told, and an upload anew mends it',
    async check(bench) {
      const objectId = await bench.stored()
      const [meta] = bench.service.layout.meta(objectId)
      for (const rubbish of ['', '{"objectId":', '[]', '\0\0\0']) {
        await bench.backend.put(meta, Buffer.from(rubbish))
        const error = await failureOf(bench.download(objectId))
        assert.match(error.message, new RegExp(`${objectId}.meta`), rubbish)
      }
      await bench.service.unpublish(objectId)
      await bench.engine.upload({ objectId, from: { path: bench.source }, md5: bench.md5, overwrite: true })
      await bench.service.publish(objectId)
      await bench.download(objectId)
    },
  },
  {
    name: 'upload: state that was damaged by hand is told, and a cancelled upload begins anew',
    async check(bench) {
      const objectId = await bench.registered()
      const { uploadId } = await bench.service.api.openUpload({ objectId, size: bench.body.length, md5: bench.md5 })
      await bench.backend.put(bench.service.layout.upload({ objectId, uploadId }, 'part-0000000x|{}'), Buffer.alloc(0))
      const error = await failureOf(bench.service.api.resumeUpload({ objectId, size: bench.body.length }))
      assert.is(error.code, 'invalid-format')
      assert.match(error.message, /part-0000000x\|\{\}.*cancel the upload and begin it again/)
      await bench.service.api.cancelUpload(objectId)
      await bench.upload(objectId)
      await bench.service.publish(objectId)
      await bench.download(objectId)
    },
  },
]

export const faultCases: readonly FaultCase[] = [
  ...passingFaults.map(passingCase),
  ...lastingFaults.map(lastingCase),
  ...outages,
  ...refusedEarly,
  ...damaged,
]
