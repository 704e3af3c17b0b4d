import * as assert from 'uvu/assert'
import type { ByteSource } from '../../src/bytes/byte-source.ts'
import { createMemorySource } from '../../src/bytes/memory-source.ts'
import type { ByteRange } from '../../src/core/byte-range.ts'
import { isScoreError, type ProblemCode, problems, ScoreError } from '../../src/core/errors.ts'
import { createFuseMount, type FuseMount, type FuseMountOptions } from '../../src/mount/fuse-mount.ts'
import { createRandom } from '../formats/bam-fixture.ts'
import { suite } from '../support/suite.ts'
import { idOf, type Stored, treeOf } from './tree-double.ts'

async function codeOf(work: Promise<unknown>): Promise<ProblemCode | undefined> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (error !== undefined) assert.ok(isScoreError(error), String(error))
  return isScoreError(error) ? error.code : undefined
}

const content = Buffer.from('ACGTACGTNN')
const stored: readonly Stored[] = [
  { objectId: idOf(1), fileName: 'a.bam', size: content.length, modified: new Date(5000) },
  { objectId: idOf(2), fileName: 'empty', size: 0 },
]

async function mountOf(options: Partial<FuseMountOptions> = {}): Promise<FuseMount> {
  const open = (objectId: string): ByteSource => createMemorySource(objectId === idOf(1) ? content : Buffer.alloc(0))
  return createFuseMount({ tree: await treeOf(stored), open, ...options })
}

/** Never answers, whatever the signal says. */
const stuck: ByteSource = {
  size: async () => content.length,
  stream: () => ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => undefined) }) }),
  close: async () => undefined,
}

function failing(error: unknown): ByteSource {
  return { ...stuck, stream: () => ({ [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }) }) }
}

suite('mount/fuse-mount', (test) => {
  test('attributes of files and folders', async () => {
    const mount = await mountOf()
    const file = await mount.getattr('/A1/a.bam')
    assert.equal(
      [file.kind, file.size, file.modified, file.permissions, file.links, file.blocks],
      ['file', 10, new Date(5000), 0o444, 1, 1],
    )
    const root = await mount.getattr('/')
    assert.equal([root.kind, root.size, root.permissions, root.links, root.blocks], ['folder', 0, 0o555, 3, 0])
    assert.is((await mount.getattr('/A1/empty')).blocks, 0)
  })

  test('entries come with their attributes', async () => {
    const mount = await mountOf()
    const entries = await mount.readdir('/A1')
    assert.equal(
      entries.map(({ name, attributes }) => [name, attributes.kind, attributes.size]),
      [
        ['a.bam', 'file', 10],
        ['empty', 'file', 0],
      ],
    )
    assert.equal(entries[0]?.attributes, await mount.getattr('/A1/a.bam'))
  })

  test('what a file system tells of itself', async () => {
    const status = await (await mountOf()).statfs()
    assert.equal(status, { blockSize: 1024 * 1024, blocks: 1, files: 2, maximumNameBytes: 255 })
  })

  const failures: readonly (readonly [what: string, code: ProblemCode, errno: string, work: (mount: FuseMount) => Promise<unknown>])[] = [
    ['stat of an unknown name', 'path-not-found', 'ENOENT', (mount) => mount.getattr('/A1/b')],
    ['stat through a file', 'not-a-folder', 'ENOTDIR', (mount) => mount.getattr('/A1/a.bam/x')],
    ['listing a file', 'not-a-folder', 'ENOTDIR', (mount) => mount.readdir('/A1/a.bam')],
    ['opening a folder', 'is-a-folder', 'EISDIR', (mount) => mount.open('/A1')],
    ['opening an unknown name', 'path-not-found', 'ENOENT', (mount) => mount.open('/A1/b')],
    ['reading what is not open', 'not-open', 'EBADF', (mount) => mount.read(7, { start: 0, end: 1 })],
    ['stat of what is not open', 'not-open', 'EBADF', (mount) => mount.fgetattr(7)],
    ['closing what is not open', 'not-open', 'EBADF', (mount) => mount.release(7)],
    [
      'closing twice',
      'not-open',
      'EBADF',
      async (mount) => {
        const handle = await mount.open('/A1/empty')
        await mount.release(handle)
        await mount.release(handle)
      },
    ],
    ['a negative place', 'invalid-range', 'EINVAL', async (mount) => mount.read(await mount.open('/A1/a.bam'), { start: -1, end: 3 })],
    ['writing', 'read-only', 'EROFS', (mount) => mount.modify('write', '/A1/a.bam')],
    ['making a folder', 'read-only', 'EROFS', (mount) => mount.modify('mkdir', '/new')],
  ]
  for (const [what, code, errno, work] of failures) {
    test(`${what}: ${errno}`, async () => {
      assert.is(await codeOf(work(await mountOf())), code)
      assert.is(problems[code].errno, errno)
    })
  }

  const ranges: readonly (readonly [start: number, end: number, text: string])[] = [
    [0, 10, 'ACGTACGTNN'],
    [8, 100, 'NN'],
    [10, 20, ''],
    [2 ** 50, 2 ** 50 + 5, ''],
    [3, 3, ''],
  ]
  for (const [start, end, text] of ranges) {
    test(`reading ${start} to ${end} of 10 bytes`, async () => {
      const mount = await mountOf()
      const bytes = await mount.read(await mount.open('/A1/a.bam'), { start, end })
      assert.is(Buffer.from(bytes).toString(), text)
    })
  }

  const opening: readonly (readonly [ProblemCode, expected: ProblemCode])[] = [
    ['object-not-found', 'object-not-found'],
    ['access-denied', 'access-denied'],
    ['unauthenticated', 'unauthenticated'],
    ['analysis-state', 'analysis-state'],
    ['unavailable', 'unavailable'],
    ['url-expired', 'unavailable'],
    ['invalid-request', 'unavailable'],
    ['local-storage', 'unavailable'],
  ]
  for (const [code, expected] of opening) {
    test(`opening fails with ${code}: ${problems[expected].errno}, and again when tried again`, async () => {
      let tries = 0
      const mount = await mountOf({
        async open() {
          tries += 1
          throw new ScoreError(code, 'no')
        },
      })
      assert.is(await codeOf(mount.open('/A1/a.bam')), expected)
      assert.is(await codeOf(mount.open('/A1/a.bam')), expected)
      assert.is(tries, 2)
      assert.is(mount.statistics().openSources, 0)
    })
  }

  const reading: readonly (readonly [error: unknown, expected: ProblemCode])[] = [
    [new ScoreError('object-changed', 'x'), 'object-changed'],
    [new ScoreError('size-changed', 'x'), 'size-changed'],
    [new ScoreError('checksum-mismatch', 'x'), 'checksum-mismatch'],
    [new ScoreError('store-protocol', 'x'), 'store-protocol'],
    [new ScoreError('access-denied', 'x'), 'unavailable'],
    [new ScoreError('object-not-found', 'x'), 'unavailable'],
    [new ScoreError('url-expired', 'x'), 'unavailable'],
    [new ScoreError('invalid-range', 'x'), 'unavailable'],
    [new TypeError('a defect'), 'internal'],
    ['no error at all', 'internal'],
  ]
  for (const [error, expected] of reading) {
    test(`reading fails with ${isScoreError(error) ? error.code : String(error)}: ${problems[expected].errno}`, async () => {
      const mount = await mountOf({ open: () => failing(error) })
      assert.is(await codeOf(mount.read(await mount.open('/A1/a.bam'), { start: 0, end: 4 })), expected)
      assert.equal(mount.statistics().failures, { [expected]: 1 })
    })
  }

  test('a source that gives fewer bytes is an error, never a short read', async () => {
    const short: ByteSource = {
      ...createMemorySource(content),
      stream: (range) => createMemorySource(content).stream({ ...range, end: range.end - 1 }),
    }
    const mount = await mountOf({ open: () => short })
    assert.is(await codeOf(mount.read(await mount.open('/A1/a.bam'), { start: 0, end: 4 })), 'unavailable')
  })

  test('an object of another size than listed is ESTALE at once', async () => {
    const closed: string[] = []
    const other: ByteSource = { ...createMemorySource(content.subarray(1)), close: async () => void closed.push('closed') }
    const mount = await mountOf({ open: () => other })
    assert.is(await codeOf(mount.open('/A1/a.bam')), 'object-changed')
    assert.is(closed.length, 1)
  })

  test('a source that never answers is EIO in time; listing goes on meanwhile, and others read', async () => {
    const open = (objectId: string): ByteSource => (objectId === idOf(1) ? stuck : createMemorySource(Buffer.alloc(0)))
    const mount = await mountOf({ open, limits: { callMs: 1000 } })
    const handle = await mount.open('/A1/a.bam')
    const reads = Array.from({ length: 50 }, () => codeOf(mount.read(handle, { start: 0, end: 4 })))
    assert.is((await mount.readdir('/')).length, 1)
    assert.is((await mount.read(await mount.open('/A1/empty'), { start: 0, end: 4 })).length, 0)
    assert.is(mount.statistics().pending, 50)
    assert.equal(new Set(await Promise.all(reads)), new Set(['unavailable']))
    assert.is(mount.statistics().pending, 0)
  })

  test('an opening that never ends is EIO in time, and does not hold up the next', async () => {
    let store = false
    const open = async (): Promise<ByteSource> => (store ? createMemorySource(content) : new Promise<never>(() => undefined))
    const mount = await mountOf({ open, limits: { callMs: 300 } })
    assert.is(await codeOf(mount.open('/A1/a.bam')), 'unavailable')
    store = true
    assert.is((await mount.read(await mount.open('/A1/a.bam'), { start: 0, end: 9 })).length, 9)
  })

  test('a source that opens after everybody left is closed', async () => {
    const closed: string[] = []
    let opened: (source: ByteSource) => void = () => undefined
    const mount = await mountOf({ open: () => new Promise<ByteSource>((resolve) => (opened = resolve)), limits: { callMs: 20 } })
    assert.is(await codeOf(mount.open('/A1/a.bam')), 'unavailable')
    opened({ ...createMemorySource(content), close: async () => void closed.push('closed') })
    await new Promise(setImmediate)
    assert.is(closed.length, 1)
  })

  test('a caller that gives up gets its own reason, and others of the same opening go on', async () => {
    let opened: (source: ByteSource) => void = () => undefined
    const mount = await mountOf({ open: () => new Promise<ByteSource>((resolve) => (opened = resolve)) })
    const abort = new AbortController()
    const first = mount.open('/A1/a.bam', { signal: abort.signal })
    const second = mount.open('/A1/a.bam')
    abort.abort(new ScoreError('unavailable', 'enough'))
    const error = await first.catch((thrown: unknown) => thrown)
    assert.match(String(error), /enough/)
    opened(createMemorySource(content))
    assert.is((await mount.read(await second, { start: 0, end: 2 })).length, 2)
    const { interrupted, failures } = mount.statistics()
    assert.equal([interrupted, failures], [1, {}])
  })

  test('one source for all who have an object open, kept for the next, closed when others need the place', async () => {
    const opened: string[] = []
    const closed: string[] = []
    const open = (objectId: string): ByteSource => {
      opened.push(objectId)
      const bytes = objectId === idOf(1) ? content : Buffer.alloc(0)
      return { ...createMemorySource(bytes), close: async () => void closed.push(objectId) }
    }
    const mount = await mountOf({ open, limits: { idleSources: 1 } })
    const handles = await Promise.all([mount.open('/A1/a.bam'), mount.open('/A1/a.bam')])
    assert.is(new Set(handles).size, 2)
    for (const handle of handles) await mount.release(handle)
    await mount.release(await mount.open('/A1/a.bam'))
    assert.equal([opened, closed], [[idOf(1)], []])
    await mount.release(await mount.open('/A1/empty'))
    assert.equal([opened, closed], [[idOf(1), idOf(2)], [idOf(1)]])
    await mount.close()
    assert.equal(closed, [idOf(1), idOf(2)])
  })

  test('more open files than allowed are EMFILE until one is closed', async () => {
    const mount = await mountOf({ limits: { openFiles: 2 } })
    const first = await mount.open('/A1/a.bam')
    await mount.open('/A1/a.bam')
    assert.is(await codeOf(mount.open('/A1/a.bam')), 'too-many-open')
    await mount.release(first)
    await mount.open('/A1/a.bam')
    assert.is(problems['too-many-open'].errno, 'EMFILE')
  })

  test('an open handle keeps its object when the tree changes; a new one gets the new', async () => {
    const before = await treeOf(stored)
    const after = await treeOf([{ objectId: idOf(1), fileName: 'a.bam', size: 4, modified: new Date(9000) }])
    let tree = before
    let bytes = content
    const mount = createFuseMount({
      tree: { lookup: (path) => tree.lookup(path), report: () => tree.report() },
      open: () => createMemorySource(bytes),
    })
    const old = await mount.open('/A1/a.bam')
    tree = after
    bytes = Buffer.from('TTTT')
    const fresh = await mount.open('/A1/a.bam')
    assert.is(Buffer.from(await mount.read(old, { start: 0, end: 99 })).toString(), 'ACGTACGTNN')
    assert.is(Buffer.from(await mount.read(fresh, { start: 0, end: 99 })).toString(), 'TTTT')
    assert.is((await mount.fgetattr(old)).size, 10)
    tree = await treeOf([])
    assert.is((await mount.fgetattr(fresh)).size, 4)
    assert.is(Buffer.from(await mount.read(old, { start: 0, end: 2 })).toString(), 'AC')
    assert.is(await codeOf(mount.open('/A1/a.bam')), 'path-not-found')
  })

  test('closing ends reads under way, once and for all', async () => {
    const mount = await mountOf({ open: () => stuck })
    const handle = await mount.open('/A1/a.bam')
    const read = codeOf(mount.read(handle, { start: 0, end: 4 }))
    await mount.close()
    await mount.close()
    assert.is(await read, 'unavailable')
    assert.is(await codeOf(mount.read(handle, { start: 0, end: 4 })), 'not-open')
    assert.is(await codeOf(mount.open('/A1/a.bam')), 'unavailable')
    assert.is(mount.statistics().openSources, 0)
  })

  test('statistics tell what waits and how long', async () => {
    let clock = 1000
    const mount = await mountOf({ open: () => stuck, now: () => clock })
    const handle = await mount.open('/A1/a.bam')
    const read = codeOf(mount.read(handle, { start: 0, end: 4 }))
    clock = 4500
    const { since, pending, oldestPendingMs, openFiles, reads } = mount.statistics()
    assert.equal([since, pending, oldestPendingMs, openFiles, reads], [new Date(1000), 1, 3500, 1, 0])
    await mount.close()
    await read
  })

  test('10,000 random openings, reads and closings of many files agree with their bytes', async () => {
    const random = createRandom(8)
    const files = Array.from({ length: 40 }, (_, index) => {
      const bytes = Buffer.alloc(index === 0 ? 0 : random.below(index < 5 ? 3 : 40_000))
      for (let at = 0; at < bytes.length; at += 1) bytes[at] = random.below(256)
      return {
        bytes,
        objectId: idOf(index),
        fileName: `f${index}`,
        path: `/A${index % 3}/f${index}`,
        analysisId: `A${index % 3}`,
        size: bytes.length,
      }
    })
    /** The bytes in pieces of odd sizes, each in the same buffer, some of them late. */
    const open = (objectId: string): ByteSource => {
      const { bytes } = files.find((file) => file.objectId === objectId) as (typeof files)[number]
      const buffer = new Uint8Array(5000)
      return {
        ...createMemorySource(bytes),
        async *stream({ start, end }: ByteRange) {
          const own = new Uint8Array(buffer.length)
          for (let at = start; at < end; ) {
            const length = Math.min(end - at, 1 + random.below(own.length))
            if (random.below(4) === 0) await new Promise(setImmediate)
            own.set(bytes.subarray(at, at + length))
            at += length
            yield own.subarray(0, length)
            own.fill(0xee)
          }
        },
      }
    }
    const mount = createFuseMount({ tree: await treeOf(files), open, limits: { idleSources: 3 } })
    const handles: { readonly handle: number; readonly bytes: Buffer; position: number }[] = []
    const counts = { open: 0, read: 0, seek: 0, release: 0, bytes: 0 }
    const read = async (one: (typeof handles)[number]): Promise<void> => {
      const start = one.position
      const end = start + random.below(9000)
      const got = await mount.read(one.handle, { start, end })
      assert.ok(one.bytes.subarray(start, end).equals(got), `${start} to ${end}`)
      counts.bytes += got.length
      one.position = start + got.length
    }
    for (let step = 0; step < 10_000; step += 1) {
      const action = random.below(10)
      if (handles.length === 0 || (action === 0 && handles.length < 60)) {
        const file = random.pick(files)
        handles.push({ handle: await mount.open(file.path), bytes: file.bytes, position: 0 })
        counts.open += 1
      } else if (action < 6) {
        const several = Array.from({ length: 1 + random.below(3) }, () => random.pick(handles))
        await Promise.all([...new Set(several)].map(read))
        counts.read += 1
      } else if (action < 9) {
        const one = random.pick(handles)
        one.position = random.below(one.bytes.length + 200)
        counts.seek += 1
      } else {
        const [gone] = handles.splice(random.below(handles.length), 1)
        if (gone) await mount.release(gone.handle)
        counts.release += 1
      }
    }
    assert.ok(counts.open > 300 && counts.release > 300 && counts.read > 4000 && counts.seek > 2000, JSON.stringify(counts))
    assert.ok(counts.bytes > 10_000_000, JSON.stringify(counts))
    assert.is(mount.statistics().openFiles, handles.length)
    await mount.close()
    assert.is(mount.statistics().openSources, 0)
  })
})
