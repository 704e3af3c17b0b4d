import type { Worker } from 'node:worker_threads'
import * as assert from 'uvu/assert'
import { createMemorySource } from '../../src/bytes/memory-source.ts'
import { isScoreError } from '../../src/core/errors.ts'
import type { BamRecord } from '../../src/formats/bam-record.ts'
import { encodeBamRecord } from '../../src/formats/bam-record-codec.ts'
import { frameBlock } from '../../src/formats/bgzf-block.ts'
import { formatSamRecord } from '../../src/formats/sam-text.ts'
import { type BamSlicer, createBamSlicer, type SliceOptions } from '../../src/slice/bam-slicer.ts'
import { planTextJobs } from '../../src/slice/text-jobs.ts'
import { startTextThreads } from '../../src/slice/text-threads.ts'
import { createRandom, fixtureHeader, sortedRecords } from '../formats/bam-fixture.ts'
import { suite } from '../support/suite.ts'
import { fullScan, gather, type LaidBam, layBam } from './slice-fixture.ts'

const sam: SliceOptions = { format: 'sam', header: 'original' }

/** Threads that were started, and how many of them have ended. */
const started: Worker[] = []
let ended = 0
process.on('worker', (worker: Worker) => {
  // The first thread is node's own, for the loader of these files; some versions tell of it.
  if (worker.threadId === 1) return
  started.push(worker)
  worker.once('exit', () => {
    ended += 1
  })
})

const linesOf = (records: readonly BamRecord[]): string => records.map((record) => `${formatSamRecord(record, fixtureHeader)}\n`).join('')

suite('SAM text in threads', (test) => {
  let records: BamRecord[]
  /** As htslib writes, and with records that go on in the next block. */
  const laid = new Map<string, LaidBam>()
  const slicerOf = (layout: string, bam = laid.get(layout)?.bam as Uint8Array): BamSlicer =>
    createBamSlicer({ data: createMemorySource(bam), index: (laid.get(layout) as LaidBam).index })

  test.before(async () => {
    records = sortedRecords(createRandom(5), 45_000)
    laid.set('whole', await layBam(records, { blockBytes: () => 60_000, aligned: true }))
    laid.set('crossing', await layBam(records, { blockBytes: () => 50_001 }))
  })

  for (const layout of ['whole', 'crossing']) {
    test(`${layout}: all records, in order, by several threads that end`, async () => {
      const before = started.length
      const text = await gather(slicerOf(layout).slice('all', sam))
      assert.ok(text.toString('latin1').endsWith(linesOf(records)))
      assert.is(text.length, fixtureHeader.text.length + linesOf(records).length)
      assert.ok(started.length > before, 'no thread was started')
      assert.is(ended, started.length)
    })

    test(`${layout}: the records of regions, overlapping and contained`, async () => {
      for (const contained of [false, true]) {
        const regions = fixtureHeader.references.map(({ name, length }) => ({ reference: name, start: 1000, end: length - 1000 }))
        const wanted = fullScan(records, regions, contained)
        const before = started.length
        const text = await gather(slicerOf(layout).slice(regions, { ...sam, contained }))
        assert.ok(text.toString('latin1') === fixtureHeader.text + linesOf(wanted), `contained: ${contained}`)
        assert.ok(started.length > before, 'no thread was started')
      }
    })
  }

  test('jobs lie behind one another, and cover all records once', async () => {
    const { bam, index } = laid.get('crossing') as LaidBam
    const span = { start: { block: 0, within: 0 }, end: { block: bam.length - 28, within: 0 }, mode: 'keep', leastPosition: -1 } as const
    const jobs = planTextJobs([span], index, bam.length)
    assert.ok(jobs.length > 3, `${jobs.length} jobs`)
    const spans = jobs.flatMap((job) => job.spans)
    assert.equal(spans[0]?.start, span.start)
    assert.equal(spans.at(-1)?.end, span.end)
    for (const [at, { start }] of spans.slice(1).entries()) assert.equal(start, spans[at]?.end)
  })

  test('a damaged block: the text before it, then its place in the file, and no thread is left', async () => {
    const bam = Buffer.from(laid.get('whole')?.bam as Uint8Array)
    let at = 0
    while (at < bam.length * 0.6) at = frameBlock(bam, at, 0, 'x')?.end as number
    bam[at + 5000] = (bam[at + 5000] as number) ^ 0x10
    const text: Uint8Array[] = []
    try {
      for await (const piece of slicerOf('whole', bam).slice('all', sam)) text.push(piece)
      assert.unreachable()
    } catch (error) {
      assert.ok(isScoreError(error, 'invalid-format'), String(error))
      assert.match((error as Error).message, `BGZF block at byte ${at}`)
    }
    assert.ok((fixtureHeader.text + linesOf(records)).startsWith(Buffer.concat(text).toString('latin1')))
    assert.ok(text.length > 1)
    assert.is(ended, started.length)
  })

  test('an abort while threads work ends the slice, and them', async () => {
    const stop = new AbortController()
    const slice = slicerOf('whole').slice('all', { ...sam, signal: stop.signal })
    let pieces = 0
    try {
      for await (const _ of slice) {
        pieces += 1
        if (pieces === 3) stop.abort(new Error('enough'))
      }
      assert.unreachable()
    } catch (error) {
      assert.is((error as Error).message, 'enough')
    }
    assert.is(ended, started.length)
  })

  test('who takes no more ends them too', async () => {
    for await (const piece of slicerOf('whole').slice('all', sam)) if (piece.length > 10_000) break
    assert.is(ended, started.length)
  })

  test('a thread that ends in the middle of its work is an error', async () => {
    const before = started.length
    try {
      for await (const _ of slicerOf('whole').slice('all', sam)) for (const worker of started.slice(before)) await worker.terminate()
      assert.unreachable()
    } catch (error) {
      assert.ok(isScoreError(error, 'unavailable'), String(error))
      assert.match((error as Error).message, 'ended in the middle of its work')
    }
  })

  test('a thread that ended while it had nothing to do takes no more jobs', async () => {
    const before = started.length
    const threads = startTextThreads({ name: 'a.bam', header: { references: [] }, regions: 'all', contained: false })
    assert.ok(threads)
    try {
      // Node tells of new threads in the next turn.
      await new Promise((resolve) => setImmediate(resolve))
      await Promise.all(started.slice(before).map((worker) => worker.terminate()))
      const job = { spans: [], range: { start: 0, end: 0 }, last: -1 }
      const outcome = await threads.run(job, new Uint8Array(0)).catch((error: unknown) => error)
      assert.ok(isScoreError(outcome, 'unavailable'), String(outcome))
    } finally {
      await threads.close()
    }
  })

  test('slices at once: who finds no thread free makes the text alone, and it is the same', async () => {
    const texts = await Promise.all(Array.from({ length: 4 }, () => gather(slicerOf('crossing').slice('all', sam))))
    for (const text of texts) assert.ok(text.equals(texts[0] as Buffer))
    assert.is((texts[0] as Buffer).length, fixtureHeader.text.length + linesOf(records).length)
    assert.is(ended, started.length)
  })

  test('a record too large for the kernel, among others', async () => {
    const [first] = records as [BamRecord]
    const large: BamRecord = { ...first, tags: [{ name: 'XX', type: 'Z', value: 'x'.repeat(200_000) }] }
    assert.ok(encodeBamRecord(large).length > 200_000)
    const some = [first, large, ...records.slice(1, 2000)]
    const { bam, index } = await layBam(some, { blockBytes: () => 60_000 })
    const slicer = createBamSlicer({ data: createMemorySource(bam), index })
    assert.ok((await gather(slicer.slice('all', sam))).toString('latin1') === fixtureHeader.text + linesOf(some))
  })
})
