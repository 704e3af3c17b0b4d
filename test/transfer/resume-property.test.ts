import { randomUUID } from 'node:crypto'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { md5Hex } from '../../src/core/checksum.ts'
import { planParts } from '../../src/core/part-plan.ts'
import { ownProcess } from '../../src/files/process-identity.ts'
import { journalLine, planDigest } from '../../src/transfer/transfer-journal.ts'
import { suite } from '../support/suite.ts'
import { someBytes, type Workbench, withWorkbench } from './workbench.ts'

const partSize = 2048
const count = 12
const rounds = 60

function dice(seed: number): <T>(choices: readonly T[]) => T {
  let state = seed >>> 0
  return <T>(choices: readonly T[]): T => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return choices[Math.floor((state / 2 ** 32) * choices.length)] as T
  }
}

// What may have become of a part before the run: is it right on the disk, and what does the journal say of it.
const downloadStates = [
  { name: 'never there', right: false, bytes: 'hole', record: 'none' },
  { name: 'there, not recorded', right: true, bytes: 'right', record: 'none' },
  { name: 'half there, not recorded', right: false, bytes: 'wrong', record: 'none' },
  { name: 'recorded on this boot', right: true, bytes: 'right', record: 'this boot' },
  { name: 'recorded on this boot, spoiled since', right: false, bytes: 'wrong', record: 'this boot' },
  { name: 'flushed on another boot', right: true, bytes: 'right', record: 'flushed' },
  { name: 'recorded on another boot', right: true, bytes: 'right', record: 'other boot' },
  { name: 'recorded on another boot, lost', right: false, bytes: 'hole', record: 'other boot' },
  { name: 'recorded with another MD5', right: true, bytes: 'right', record: 'wrong md5' },
] as const

type DownloadState = (typeof downloadStates)[number]

async function makeDownload(bench: Workbench, objectId: string, bytes: Buffer, states: readonly DownloadState[]): Promise<void> {
  const object = bench.score.put(objectId, bytes)
  const work = Buffer.alloc(bytes.length)
  for (const [index, part] of object.parts.entries()) {
    const state = states[index] as DownloadState
    if (state.bytes !== 'hole') bytes.copy(work, part.range.start, part.range.start, part.range.end)
    if (state.bytes === 'wrong') work[part.range.start + 1] = (work[part.range.start + 1] as number) ^ 1
  }
  const path = join(bench.folder, `.${objectId}.partial`)
  await writeFile(path, work)
  const { ino, birthtimeNs } = await stat(path, { bigint: true })
  const place = `${ino}-${birthtimeNs}`
  const of = (record: DownloadState['record']): object[] =>
    object.parts.flatMap((part, index) => (states[index]?.record === record ? [{ n: part.number, md5: part.md5, etag: object.etag }] : []))
  const flushed = of('flushed')
  const wrong = object.parts.flatMap((part, index) =>
    states[index]?.record === 'wrong md5' ? [{ n: part.number, md5: '0'.repeat(32) }] : [],
  )
  const about = { direction: 'download', objectId, size: bytes.length, plan: planDigest(object.parts), start: 0, md5: md5Hex(bytes) }
  const boot = (await ownProcess()).bootId.split(' ')[0]
  const records = [
    { journal: 1, about },
    { boot: 'another', place },
    ...flushed,
    { sync: flushed.length },
    ...of('other boot'),
    { boot, place },
    ...of('this boot'),
    ...wrong,
  ]
  await mkdir(join(bench.folder, `.${objectId}`))
  await writeFile(join(bench.folder, `.${objectId}`, 'download.journal'), records.map(journalLine).join(''))
}

const uploadStates = [
  { name: 'not sent', held: false, right: false, recorded: false },
  { name: 'recorded here, unknown there', held: false, right: false, recorded: true },
  { name: 'held and recorded', held: true, right: true, recorded: true },
  { name: 'held, not recorded', held: true, right: true, recorded: false },
  { name: 'held with other bytes', held: true, right: false, recorded: false },
  { name: 'held with other bytes, recorded with ours', held: true, right: false, recorded: true },
] as const

type UploadState = (typeof uploadStates)[number]

async function makeUpload(bench: Workbench, objectId: string, path: string, bytes: Buffer, states: readonly UploadState[]): Promise<void> {
  const { uploadId, parts } = await bench.score.api.openUpload({ objectId, size: bytes.length, md5: md5Hex(bytes) })
  const upload = bench.score.uploads.get(objectId)
  const { size, mtimeNs, ino } = await stat(path, { bigint: true })
  const places = parts.map(({ number, range }) => ({ number, range }))
  const records: object[] = [
    { journal: 1, about: { direction: 'upload', objectId, size: bytes.length, md5: md5Hex(bytes), uploadId, plan: planDigest(places) } },
    { boot: 'any', place: `${size}-${mtimeNs}-${ino}` },
  ]
  for (const [index, part] of parts.entries()) {
    const state = states[index] as UploadState
    const ours = bytes.subarray(part.range.start, part.range.end)
    if (state.recorded) records.push({ n: part.number, md5: md5Hex(ours) })
    if (!state.held) continue
    const body = state.right ? ours : Buffer.alloc(ours.length, 7)
    upload?.stored.set(part.number, Buffer.from(body))
    upload?.registered.set(part.number, { number: part.number, md5: md5Hex(body), etag: md5Hex(body) })
  }
  await mkdir(join(bench.folder, `.${objectId}`))
  await writeFile(join(bench.folder, `.${objectId}`, 'upload.journal'), records.map(journalLine).join(''))
  await writeFile(join(bench.folder, `.${objectId}`, 'uploadId'), `${uploadId}\n`)
}

suite('resume from any state', (test) => {
  test(`download: ${rounds} mixtures of parts done, lost, spoiled and untrusted`, () =>
    withWorkbench(async (bench) => {
      bench.score.partSize = partSize
      for (let round = 0; round < rounds; round++) {
        const roll = dice(round * 7919 + 1)
        const objectId = randomUUID()
        const bytes = someBytes(count * partSize - round, round + 1)
        const states = planParts({ start: 0, end: bytes.length }, { floorBytes: partSize }).map(() => roll(downloadStates))
        await makeDownload(bench, objectId, bytes, states)
        const path = join(bench.folder, `f${round}`)
        const receipt = await bench.engine.download({ objectId, path })
        const what = `round ${round}: ${states.map((state) => state.name).join(', ')}`
        assert.equal(await readFile(path), bytes, what)
        assert.is(receipt.partsMoved, states.filter((state) => !state.right).length, what)
        assert.is(receipt.partsKept, states.filter((state) => state.right).length, what)
        assert.equal(
          (await bench.left()).filter((name) => name.includes(objectId)),
          [],
          what,
        )
      }
    }))

  test(`upload: ${rounds} mixtures of parts held, unknown, wrong and unrecorded`, () =>
    withWorkbench(async (bench) => {
      bench.score.partSize = partSize
      for (let round = 0; round < rounds; round++) {
        const roll = dice(round * 104729 + 3)
        const objectId = randomUUID()
        const bytes = someBytes(count * partSize - round, round + 1)
        const path = await bench.file(`u${round}`, bytes)
        const states = planParts({ start: 0, end: bytes.length }, { floorBytes: partSize }).map(() => roll(uploadStates))
        await makeUpload(bench, objectId, path, bytes, states)
        const before = bench.score.requests.length
        const receipt = await bench.engine.upload({ objectId, from: { path }, md5: md5Hex(bytes) })
        const what = `round ${round}: ${states.map((state) => state.name).join(', ')}`
        assert.equal(bench.score.objects.get(objectId)?.bytes, bytes, what)
        assert.is(receipt.partsMoved, states.filter((state) => !state.right).length, what)
        assert.is(receipt.partsKept, states.filter((state) => state.right).length, what)
        assert.is(bench.score.requests.length - before, receipt.partsMoved, what)
      }
    }))
})
