import { appendFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { md5Hex } from '../../src/core/checksum.ts'
import { journalLine, openJournal, parseJournal, planDigest, readJournal } from '../../src/transfer/transfer-journal.ts'
import { suite } from '../support/suite.ts'
import type { StoreRequest } from './score-double.ts'
import { someBytes, type Workbench, withWorkbench } from './workbench.ts'

const partSize = 4096
const bytes = someBytes(3 * partSize - 9)
const md5 = md5Hex(bytes)

const failPart3 = (request: StoreRequest) =>
  request.partNumber === 3 ? ({ kind: 'status', status: 403, code: 'SignatureDoesNotMatch' } as const) : undefined

const everyByte = process.env['SCORE_KILL_ROUNDS'] !== undefined

function* lengthsOf(text: Buffer): Iterable<number> {
  for (let length = 0; length <= text.length; length++) {
    const aboutALine = text.subarray(Math.max(0, length - 2), length + 1).includes(0x0a)
    if (everyByte || aboutALine || length % 9 === 0) yield length
  }
}

/** A transfer with two of three parts done, which can be brought back to that state as often as wanted. */
async function twoOfThree(bench: Workbench, run: () => Promise<unknown>, direction: 'upload' | 'download'): Promise<() => Promise<string>> {
  const { score, folder, objectId } = bench
  const state = join(folder, `.${objectId}`)
  const journal = join(state, `${direction}.journal`)
  score.fault = failPart3
  await run().catch(() => undefined)
  score.fault = undefined
  const text = await readFile(journal)
  const upload = score.uploads.get(objectId)
  const [stored, registered] = [new Map(upload?.stored), new Map(upload?.registered)]
  return async () => {
    await mkdir(state, { recursive: true })
    await writeFile(journal, text)
    if (direction === 'download') {
      // A rename keeps the file's identity, as a kill would have.
      const target = join(folder, 'a')
      const work = join(folder, `.${objectId}.partial`)
      if ((await bench.left()).includes('a')) await rename(target, work)
      const content = await readFile(work)
      await writeFile(work, content.fill(0, 2 * partSize))
    } else if (upload) {
      score.objects.delete(objectId)
      score.uploads.set(objectId, { ...upload, stored: new Map(stored), registered: new Map(registered) })
      await writeFile(join(state, 'uploadId'), `${upload.uploadId}\n`)
    }
    return journal
  }
}

suite('torn journals', (test) => {
  for (const direction of ['upload', 'download'] as const) {
    test(`${direction}: cut at ${everyByte ? 'every byte' : 'every ninth byte and about every line'}, it is gone on with`, () =>
      withWorkbench(async (bench) => {
        const { score, objectId, folder, engine } = bench
        score.partSize = partSize
        const path = direction === 'upload' ? await bench.file('a', bytes) : join(folder, 'a')
        if (direction === 'download') score.put(objectId, bytes)
        const run = () =>
          direction === 'upload'
            ? engine.upload({ objectId, from: { path }, md5 }, { concurrency: 1 })
            : engine.download({ objectId, path }, { concurrency: 1 })
        const restore = await twoOfThree(bench, run, direction)
        const whole = await readFile(await restore())
        assert.ok(whole.length > 300)
        for (const length of lengthsOf(whole)) {
          await writeFile(await restore(), whole.subarray(0, length))
          const before = score.requests.length
          const receipt = await run()
          assert.is(receipt.partsKept, 2, `cut at ${length}`)
          assert.is(score.requests.length - before, 1, `cut at ${length}`)
          assert.equal(direction === 'upload' ? score.objects.get(objectId)?.bytes : await readFile(path), bytes, `cut at ${length}`)
        }
      }))
  }

  test('a changed byte anywhere is never believed', () => {
    const header = journalLine({ journal: 1, about: { direction: 'download', objectId: 'x', size: 9, plan: 'p' } })
    const records = [
      { boot: 'b', place: 'p' },
      { n: 1, md5: 'a'.repeat(32), etag: 'e' },
      { sync: 1 },
      { n: 2, md5: 'b'.repeat(32) },
      { drop: 1 },
    ]
    const lines = [header, ...records.map(journalLine)]
    const text = Buffer.from(lines.join(''))
    for (let at = 0; at < text.length; at++) {
      for (const bit of [1, 0x20, 0x80]) {
        const damaged = Buffer.from(text)
        damaged[at] = (damaged[at] as number) ^ bit
        const found = parseJournal('j', damaged)
        // All lines before the damage, and none from it on.
        let good = 0
        for (let end = 0; end + (lines[good]?.length ?? text.length) <= at; good++) end += lines[good]?.length ?? 0
        const expected = parseJournal('j', Buffer.from(lines.slice(0, good).join('')))
        assert.equal(found, expected, `byte ${at}, bit ${bit}`)
      }
    }
  })

  test('what is written can be read: order, the last word on a part, what a flush covers', () =>
    withWorkbench(async ({ folder }) => {
      const path = join(folder, 'j')
      const header = { direction: 'download', objectId: 'x', size: 9, plan: planDigest([]) } as const
      const first = await openJournal({ path, header, segment: { boot: 'one', place: 'p' } })
      await first.part({ number: 1, md5: 'a' })
      await first.part({ number: 2, md5: 'b', etag: 'e' })
      await first.sync(1)
      await Promise.all([first.part({ number: 3, md5: 'c' }), first.drop(2), first.part({ number: 4, md5: 'd' })])
      await first.close()
      await appendFile(path, '{"n":7,"md5":"torn')
      const read = await readJournal(path)
      assert.ok(read)
      assert.equal(
        [...read.parts.values()].map((part) => [part.number, part.synced]),
        [
          [1, true],
          [3, false],
          [4, false],
        ],
      )
      const second = await openJournal({ path, header, resume: read, segment: { boot: 'two', place: 'p' } })
      await second.part({ number: 3, md5: 'c2' })
      await second.sync(1)
      await second.ready('whole')
      await second.close()
      const again = await readJournal(path)
      assert.is(again?.parts.get(3)?.md5, 'c2')
      assert.is(again?.parts.get(3)?.synced, true)
      assert.is(again?.parts.get(4)?.synced, false)
      assert.is(again?.parts.get(4)?.segment.boot, 'one')
      assert.is(again?.ready, 'whole')
      await rm(path)
    }))
})
