import { cp, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { md5Hex } from '../../src/core/checksum.ts'
import type { ScoreError } from '../../src/core/errors.ts'
import { journalLine } from '../../src/transfer/transfer-journal.ts'
import { failureOf } from '../support/failure-of.ts'
import { suite } from '../support/suite.ts'
import { someBytes, type Workbench, withWorkbench } from './workbench.ts'

const KiB = 1024
const size = 500 * KiB
const bytes = someBytes(size)
const md5 = md5Hex(bytes)
const partSize = 64 * KiB

/** Runs until some parts are there: part `stopAt` fails for good, one part at a time. */
async function half(bench: Workbench, direction: 'upload' | 'download', stopAt = 5): Promise<string> {
  const { score, objectId, folder } = bench
  const path = direction === 'upload' ? await bench.file('a', bytes) : join(folder, 'a')
  if (direction === 'download') score.put(objectId, bytes)
  score.fault = (request) => (request.partNumber === stopAt ? { kind: 'status', status: 403, code: 'SignatureDoesNotMatch' } : undefined)
  const work =
    direction === 'upload'
      ? bench.engine.upload({ objectId, from: { path }, md5 }, { concurrency: 1 })
      : bench.engine.download({ objectId, path }, { concurrency: 1 })
  assert.is((await failureOf(work)).code, 'access-denied')
  score.fault = undefined
  score.requests.length = 0
  score.calls.length = 0
  return path
}

const stateOf = ({ folder, objectId }: Workbench): string => join(folder, `.${objectId}`)
const workOf = ({ folder, objectId }: Workbench): string => join(folder, `.${objectId}.partial`)

async function poke(path: string, at: number, byte = 0x55): Promise<void> {
  const file = await open(path, 'r+')
  await file.write(Buffer.from([byte]), 0, 1, at)
  await file.close()
}

/** The journal as another boot of the machine would leave it. */
async function pretendReboot(journal: string): Promise<void> {
  const text = await readFile(journal, 'utf8')
  const lines = text.split('\n').filter((line) => line !== '')
  const records = lines.map((line) => JSON.parse(line.slice(0, -9)) as Record<string, unknown>)
  await writeFile(journal, records.map((record) => journalLine('boot' in record ? { ...record, boot: 'another' } : record)).join(''))
}

suite('resume: download', (test) => {
  test('parts in the journal are kept, unread on the same boot', () =>
    withWorkbench(async (bench) => {
      const path = await half(bench, 'download')
      const receipt = await bench.engine.download({ objectId: bench.objectId, path })
      assert.is(receipt.partsKept, 4)
      assert.is(receipt.partsRechecked, 0)
      assert.is(bench.score.requests.length, 4)
      assert.equal(await readFile(path), bytes)
      assert.equal(await bench.left(), ['a'])
    }))

  test('what was flushed is believed after a reboot; what was not is read again', () =>
    withWorkbench(
      async (bench) => {
        await half(bench, 'download')
        const journal = join(stateOf(bench), 'download.journal')
        await pretendReboot(journal)
        const flushed = await bench.engine.download({ objectId: bench.objectId, path: join(bench.folder, 'b') })
        assert.is(flushed.partsRechecked, 0)
        assert.is(flushed.partsKept, 4)
        assert.equal(await bench.left(), ['b'])
      },
      { commit: { parts: 1, bytes: 1, ms: 1 } },
    ))

  test('after a reboot without a flush: read again, and what is wrong is fetched', () =>
    withWorkbench(async (bench) => {
      const path = await half(bench, 'download')
      const journal = join(stateOf(bench), 'download.journal')
      const text = await readFile(journal, 'utf8')
      await writeFile(
        journal,
        text
          .split('\n')
          .filter((line) => !line.startsWith('{"sync"'))
          .join('\n'),
      )
      await pretendReboot(journal)
      await poke(workOf(bench), 100)
      const receipt = await bench.engine.download({ objectId: bench.objectId, path })
      assert.is(receipt.partsRechecked, 4)
      assert.is(receipt.partsRepaired, 1)
      assert.is(receipt.partsKept, 3)
      assert.is(bench.score.requests.length, 5)
      assert.equal(await readFile(path), bytes)
    }))

  test('a flush of later parts does not vouch for earlier ones that another boot wrote', () =>
    withWorkbench(
      async (bench) => {
        const path = await half(bench, 'download')
        const journal = join(stateOf(bench), 'download.journal')
        const text = await readFile(journal, 'utf8')
        await writeFile(
          journal,
          text
            .split('\n')
            .filter((line) => !line.startsWith('{"sync"'))
            .join('\n'),
        )
        await pretendReboot(journal)
        await poke(workOf(bench), 100)
        // The second run dies before it has looked at part 1, after it has flushed part 5.
        const extra = [
          { boot: 'another still', place: JSON.parse(text.split('\n')[1]?.slice(0, -9) ?? '').place },
          { n: 5, md5: md5Hex(bytes.subarray(4 * partSize, 5 * partSize)) },
          { sync: 1 },
        ]
        await writeFile(journal, (await readFile(journal, 'utf8')) + extra.map(journalLine).join(''))
        const work = await open(workOf(bench), 'r+')
        await work.write(bytes, 4 * partSize, partSize, 4 * partSize)
        await work.close()
        const receipt = await bench.engine.download({ objectId: bench.objectId, path })
        assert.is(receipt.partsRepaired, 1)
        assert.is(receipt.partsKept, 4)
        assert.is(receipt.partsRechecked, 4)
        assert.equal(await readFile(path), bytes)
      },
      { commit: { parts: 100, bytes: 1e12, ms: 1e6 } },
    ))

  test('a copied folder is another place: everything is read again', () =>
    withWorkbench(async (bench) => {
      await half(bench, 'download')
      const copy = join(bench.folder, 'copy')
      await mkdir(copy)
      await cp(stateOf(bench), join(copy, `.${bench.objectId}`), { recursive: true })
      await cp(workOf(bench), join(copy, `.${bench.objectId}.partial`))
      await poke(join(copy, `.${bench.objectId}.partial`), 5)
      const receipt = await bench.engine.download({ objectId: bench.objectId, path: join(copy, 'a') })
      assert.is(receipt.partsRechecked, 4)
      assert.is(receipt.partsRepaired, 1)
      assert.equal(await readFile(join(copy, 'a')), bytes)
    }))

  test('a copy is not believed even where the boot is the same and nothing is wrong with it', () =>
    withWorkbench(
      async (bench) => {
        await half(bench, 'download')
        const copy = join(bench.folder, 'copy')
        await mkdir(copy)
        await cp(stateOf(bench), join(copy, `.${bench.objectId}`), { recursive: true })
        await cp(workOf(bench), join(copy, `.${bench.objectId}.partial`))
        const receipt = await bench.engine.download({ objectId: bench.objectId, path: join(copy, 'a') })
        assert.is(receipt.partsRechecked, 4)
        assert.is(receipt.partsRepaired, 0)
        assert.is(receipt.partsKept, 4)
      },
      { commit: { parts: 1, bytes: 1, ms: 1 } },
    ))

  test('damage to a part that was believed is found by the MD5 of the whole, and mended', () =>
    withWorkbench(async (bench) => {
      const path = await half(bench, 'download')
      await poke(workOf(bench), 70_000)
      const receipt = await bench.engine.download({ objectId: bench.objectId, path })
      assert.is(receipt.partsRepaired, 1)
      assert.is(receipt.partsKept, 3)
      assert.is(receipt.partsMoved, 5)
      assert.equal(await readFile(path), bytes)
    }))

  test('without a journal the working file still serves, where digests are known', () =>
    withWorkbench(async (bench) => {
      const path = await half(bench, 'download')
      await rm(stateOf(bench), { recursive: true })
      const receipt = await bench.engine.download({ objectId: bench.objectId, path })
      assert.is(receipt.partsKept, 4)
      assert.is(receipt.partsRechecked, 4)
      assert.is(receipt.partsRepaired, 0)
    }))

  test('without the working file nothing is believed', () =>
    withWorkbench(async (bench) => {
      const path = await half(bench, 'download')
      await rm(workOf(bench))
      assert.is((await bench.engine.download({ objectId: bench.objectId, path })).partsMoved, 8)
      assert.equal(await readFile(path), bytes)
    }))

  test('a working file that someone cut is not believed', () =>
    withWorkbench(async (bench) => {
      const path = await half(bench, 'download')
      const file = await open(workOf(bench), 'r+')
      await file.truncate(3 * partSize)
      await file.close()
      const receipt = await bench.engine.download({ objectId: bench.objectId, path })
      assert.is(receipt.partsKept, 3)
      assert.is(receipt.partsRechecked, 3)
      assert.equal(await readFile(path), bytes)
    }))

  test('the object is another one now: refused, and begun anew with overwrite', () =>
    withWorkbench(async (bench) => {
      const path = await half(bench, 'download')
      bench.score.put(bench.objectId, someBytes(size, 2))
      const error = await failureOf(bench.engine.download({ objectId: bench.objectId, path }))
      assert.is(error.code, 'object-changed')
      assert.match(error.message, '--force')
      await bench.engine.download({ objectId: bench.objectId, path, overwrite: true })
      assert.equal(await readFile(path), someBytes(size, 2))
      assert.equal(await bench.left(), ['a'])
    }))

  test('a journal of a newer version is refused', () =>
    withWorkbench(async (bench) => {
      const path = await half(bench, 'download')
      const journal = join(stateOf(bench), 'download.journal')
      await writeFile(journal, journalLine({ journal: 2, about: {} }))
      const error = await failureOf(bench.engine.download({ objectId: bench.objectId, path }))
      assert.is(error.code, 'invalid-format')
      assert.match(error.message, 'newer version')
      assert.match(error.message, journal)
    }))

  test('died between the rename and the end: done, without a request', () =>
    withWorkbench(async (bench) => {
      const other = await half(bench, 'download')
      // By hand what the rest of the run does, up to the rename.
      await writeFile(workOf(bench), bytes)
      const journal = join(stateOf(bench), 'download.journal')
      await writeFile(journal, (await readFile(journal, 'utf8')) + journalLine({ ready: 'whole' }))
      await rename(workOf(bench), other)
      const receipt = await bench.engine.download({ objectId: bench.objectId, path: other })
      assert.is(receipt.partsMoved, 0)
      assert.is(receipt.verified, 'whole')
      assert.is(bench.score.calls.length, 0)
      assert.equal(await bench.left(), ['a'])
    }))

  test('the state is for this user only, and holds no address, token or absolute path', () =>
    withWorkbench(async (bench) => {
      await half(bench, 'download')
      const journal = join(stateOf(bench), 'download.journal')
      assert.is((await stat(journal)).mode & 0o777, 0o600)
      assert.is((await stat(stateOf(bench))).mode & 0o777, 0o700)
      const text = await readFile(journal, 'utf8')
      for (const part of ['http', 'secret', '127.0.0.1', bench.folder]) assert.not.ok(text.includes(part), part)
    }))
})

suite('resume: upload', (test) => {
  const again = (bench: Workbench, path: string, options: object = {}) =>
    bench.engine.upload({ objectId: bench.objectId, from: { path }, md5, ...options })

  test('parts of the same file are kept unread; the same upload goes on', () =>
    withWorkbench(async (bench) => {
      const path = await half(bench, 'upload')
      assert.is(await readFile(join(stateOf(bench), 'uploadId'), 'utf8'), 'upload-1\n')
      const receipt = await again(bench, path)
      assert.is(receipt.partsKept, 4)
      assert.is(receipt.partsRechecked, 0)
      assert.is(bench.score.requests.length, 4)
      assert.is(bench.score.objects.get(bench.objectId)?.uploadId, 'upload-1')
      assert.equal(await bench.left(), ['a'])
    }))

  test("only the original's state: parts are read again, wrong ones are withdrawn and sent again", () =>
    withWorkbench(async (bench) => {
      const path = await half(bench, 'upload')
      await rm(join(stateOf(bench), 'upload.journal'))
      const upload = bench.score.uploads.get(bench.objectId)
      const wrong = someBytes(partSize, 7)
      upload?.stored.set(2, wrong)
      upload?.registered.set(2, { number: 2, md5: md5Hex(wrong), etag: md5Hex(wrong) })
      const receipt = await again(bench, path)
      assert.is(receipt.partsKept, 3)
      assert.is(receipt.partsRechecked, 4)
      assert.is(receipt.partsRepaired, 1)
      assert.ok(bench.score.calls.includes('deletePart'))
      assert.equal(bench.score.objects.get(bench.objectId)?.bytes, bytes)
    }))

  test('the file was touched: parts are read again, and kept when equal', () =>
    withWorkbench(async (bench) => {
      const path = await half(bench, 'upload')
      await writeFile(path, bytes)
      const receipt = await again(bench, path)
      assert.is(receipt.partsKept, 4)
      assert.is(receipt.partsRechecked, 4)
    }))

  test('begun elsewhere: refused with its id; adopted on request', () =>
    withWorkbench(async (bench) => {
      const path = await half(bench, 'upload')
      await rm(stateOf(bench), { recursive: true })
      const error = await failureOf(again(bench, path))
      assert.is(error.code, 'already-running')
      assert.match(
        error.message,
        'There is already an upload in progress that was started elsewhere with upload id upload-1. Aborting local upload.',
      )
      assert.match(error.message, '--force')
      const receipt = await again(bench, path, { adopt: true })
      assert.is(receipt.partsKept, 4)
    }))

  test('another upload has taken its place: refused with both ids; begun anew with overwrite', () =>
    withWorkbench(async (bench) => {
      const path = await half(bench, 'upload')
      await bench.score.api.openUpload({ objectId: bench.objectId, size })
      const error = await failureOf(again(bench, path))
      assert.is(error.code, 'already-running')
      assert.match(
        error.message,
        'Local in-progress upload upload-1 conflicts with remote upload in progress upload-2. Aborting local upload.',
      )
      const receipt = await again(bench, path, { overwrite: true })
      assert.is(receipt.partsMoved, 8)
      assert.is(bench.score.objects.get(bench.objectId)?.uploadId, 'upload-3')
    }))

  test('state copied with the file to another machine goes on there', () =>
    withWorkbench(async (bench) => {
      const path = await half(bench, 'upload')
      const copy = join(bench.folder, 'copy')
      await mkdir(copy)
      await cp(stateOf(bench), join(copy, `.${bench.objectId}`), { recursive: true })
      await cp(path, join(copy, 'a'))
      const receipt = await again(bench, join(copy, 'a'))
      assert.is(receipt.partsKept, 4)
      assert.is(receipt.partsRechecked, 4)
      assert.equal(await readdir(copy), ['a'])
    }))

  test('another size than the upload in progress: refused, begun anew with overwrite', () =>
    withWorkbench(async (bench) => {
      const path = await half(bench, 'upload')
      const other = someBytes(size + 1)
      await writeFile(path, other)
      const error = await failureOf(again(bench, path, { md5: md5Hex(other) }))
      assert.is(error.code, 'size-changed')
      assert.match(error.message, '--force')
      await again(bench, path, { md5: md5Hex(other), overwrite: true })
      assert.equal(bench.score.objects.get(bench.objectId)?.bytes, other)
    }))

  test('gone at the service: begun anew', () =>
    withWorkbench(async (bench) => {
      const path = await half(bench, 'upload')
      await bench.score.api.cancelUpload(bench.objectId)
      assert.is((await again(bench, path)).partsMoved, 8)
    }))

  test('died after the service finished it: known as ours by the upload id', () =>
    withWorkbench(async (bench) => {
      const path = await half(bench, 'upload')
      const kept = join(bench.folder, 'kept')
      await cp(stateOf(bench), kept, { recursive: true })
      await again(bench, path)
      await rename(kept, stateOf(bench))
      const receipt = await again(bench, path)
      assert.is(receipt.partsMoved, 0)
      assert.equal(await bench.left(), ['a'])
      const error = await failureOf(again(bench, path))
      assert.is(error.code, 'object-exists', "without state of ours it is someone else's object")
    }))

  test('an overwrite that was cut short goes on when asked for again', () =>
    withWorkbench(async (bench) => {
      bench.score.put(bench.objectId, someBytes(10))
      const path = await bench.file('a', bytes)
      bench.score.fault = (request) =>
        request.partNumber === 5 ? { kind: 'status', status: 403, code: 'SignatureDoesNotMatch' } : undefined
      const run = () => bench.engine.upload({ objectId: bench.objectId, from: { path }, md5, overwrite: true }, { concurrency: 1 })
      await failureOf(run())
      bench.score.fault = undefined
      assert.is((await run()).partsKept, 4)
      assert.equal(bench.score.objects.get(bench.objectId)?.bytes, bytes)
    }))

  test('died between opening and writing down the id: the empty upload is ours', () =>
    withWorkbench(async (bench) => {
      const path = await bench.file('a', bytes)
      const lost = new Error('killed')
      bench.score.lose = (name) => (name === 'openUpload' ? (lost as ScoreError) : undefined)
      assert.is(await again(bench, path).catch((error: unknown) => error), lost)
      bench.score.lose = undefined
      assert.is((await again(bench, path)).partsMoved, 8)
      assert.is(bench.score.objects.get(bench.objectId)?.uploadId, 'upload-1')
    }))

  test('a source of bytes: with a folder for its state it goes on, without one it has to be adopted', () =>
    withWorkbench(async (bench) => {
      const source = {
        size: async () => size,
        async *stream(range: { start: number; end: number }) {
          yield bytes.subarray(range.start, range.end)
        },
        close: async () => undefined,
      }
      const from = { source, name: 'memory' }
      bench.score.fault = (request) =>
        request.partNumber === 5 ? { kind: 'status', status: 403, code: 'SignatureDoesNotMatch' } : undefined
      const task = { objectId: bench.objectId, from, md5 }
      const stateDir = join(bench.folder, 'state')
      await failureOf(bench.engine.upload({ ...task, stateDir }, { concurrency: 1 }))
      bench.score.fault = undefined
      assert.is((await failureOf(bench.engine.upload(task))).code, 'already-running')
      const receipt = await bench.engine.upload({ ...task, stateDir })
      assert.is(receipt.partsKept, 4)
      assert.is(receipt.partsRechecked, 4)
      assert.equal(bench.score.objects.get(bench.objectId)?.bytes, bytes)
      assert.equal(await readdir(stateDir), [])
    }))
})

suite("resume: what the original's client left", (test) => {
  /** Its state of a download: the working file under the bare id, `meta`, a marker per finished part. */
  async function originalState(bench: Workbench, parts: readonly number[]): Promise<string> {
    const { score, objectId, folder } = bench
    const object = score.put(objectId, bytes)
    const work = Buffer.alloc(size)
    for (const number of parts) bytes.copy(work, (number - 1) * partSize, (number - 1) * partSize, number * partSize)
    await writeFile(join(folder, objectId), work)
    await mkdir(stateOf(bench))
    const json = (part: (typeof object.parts)[number]) => ({
      partNumber: part.number,
      partSize,
      offset: part.range.start,
      url: 'http://old/?X-Amz-Signature=1',
      md5: null,
      sourceMd5: part.md5,
    })
    const meta = {
      objectKey: `data/${objectId}`,
      objectId,
      uploadId: objectId,
      parts: object.parts.map(json),
      objectSize: size,
      objectMd5: md5,
    }
    await writeFile(join(stateOf(bench), 'meta'), JSON.stringify(meta))
    for (const part of object.parts.filter(({ number }) => parts.includes(number))) {
      const name = `part-${part.number.toString(16).padStart(8, '0')}`
      await writeFile(join(stateOf(bench), name), JSON.stringify({ ...json(part), md5: part.md5 }))
    }
    return join(folder, objectId)
  }

  test('its finished parts are checked and kept; nothing of it is left', () =>
    withWorkbench(async (bench) => {
      const work = await originalState(bench, [1, 2, 7])
      await poke(work, 0)
      const receipt = await bench.engine.download({ objectId: bench.objectId, path: join(bench.folder, 'a.bam') })
      assert.is(receipt.partsRechecked, 3)
      assert.is(receipt.partsRepaired, 1)
      assert.is(receipt.partsKept, 2)
      assert.equal(await readFile(join(bench.folder, 'a.bam')), bytes)
      assert.equal(await bench.left(), ['a.bam'])
    }))

  test('a target under the bare id is its working file, not a finished one', () =>
    withWorkbench(async (bench) => {
      const path = await originalState(bench, [1, 2])
      const receipt = await bench.engine.download({ objectId: bench.objectId, path })
      assert.is(receipt.partsKept, 2)
      assert.equal(await readFile(path), bytes)
      assert.equal(await bench.left(), [bench.objectId])
    }))

  test('of another size: refused; given up with overwrite', () =>
    withWorkbench(async (bench) => {
      await originalState(bench, [1])
      bench.score.put(bench.objectId, someBytes(size + 5))
      const task = { objectId: bench.objectId, path: join(bench.folder, 'a') }
      assert.is((await failureOf(bench.engine.download(task))).code, 'object-changed')
      await bench.engine.download({ ...task, overwrite: true })
      assert.equal(await bench.left(), ['a'])
    }))

  test('an upload id with a blank first line counts as none', () =>
    withWorkbench(async (bench) => {
      const path = await half(bench, 'upload')
      await rm(join(stateOf(bench), 'upload.journal'))
      await writeFile(join(stateOf(bench), 'uploadId'), '\nupload-1\n')
      assert.is((await failureOf(bench.engine.upload({ objectId: bench.objectId, from: { path }, md5 }))).code, 'already-running')
      await writeFile(join(stateOf(bench), 'uploadId'), 'UPLOAD-1\r\nsecond line\n')
      assert.is((await bench.engine.upload({ objectId: bench.objectId, from: { path }, md5 })).partsKept, 4)
    }))
})
