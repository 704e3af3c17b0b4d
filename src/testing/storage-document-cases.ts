import assert from 'node:assert/strict'
import { md5Hex } from '../core/checksum.ts'
import { compareKeys } from '../storage/key-order.ts'
import { type CaseDefinition, collect, expectProblem } from './contract-case.ts'
import { patternBytes, type Workbench } from './storage-subject.ts'

const text = (value: string): Buffer => Buffer.from(value)

/** Names that break naive path handling, URL building or XML. The fourth is how part state is named. */
export const oddKeys: readonly string[] = [
  'plain.bam',
  'with space',
  'percent%2Fencoded%',
  'part-0000000a|{"partNumber":10,"md5":"d41d8cd98f00b204e9800998ecf8427e","etag":"d41d8cd98f00b204e9800998ecf8427e"}',
  'quotes\'"`',
  'a+b=c&d?e#f',
  'dots/../up',
  './dot',
  '.hidden',
  'back\\slash',
  'colon:semi;comma,',
  '<tag>&amp;',
  'umlaut-äöü-日本-😀',
  'star*paren()!',
  'ends-with-dot.',
  'con/nul/aux',
  '~tilde',
  'UPPER/lower',
]

/** Of those, the ones that a URL can carry: every client takes the others' dots for a path (WHATWG URL, RFC 3986 5.2.4). */
export const oddUrlKeys = oddKeys.filter((key) => !/(^|\/)\.{1,2}(\/|$)/.test(key))

const inOrder = ['A', 'a', 'a-b', 'a/b', 'a/b/c', 'a0', 'b', 'é', '\uff5e', '😀']

const readsAndWrites: readonly CaseDefinition<Workbench>[] = [
  {
    name: 'what was put is read back, and described',
    async check({ backend, at, read }) {
      const before = Date.now() - 120_000
      await backend.put(at('a'), text('hello'))
      assert.equal((await read(at('a'))).toString(), 'hello')
      const stat = await backend.head(at('a'))
      assert.equal(stat?.size, 5)
      assert.equal(stat.md5, md5Hex('hello'))
      assert.deepEqual(stat.metadata, {})
      assert.ok(stat.lastModified.getTime() > before, `last modified ${stat.lastModified.toISOString()}`)
    },
  },
  {
    name: 'the ETag of an object put at once is its MD5',
    async check({ backend, at }) {
      await backend.put(at('a'), text('hello'))
      assert.equal((await backend.head(at('a')))?.etag, md5Hex('hello'))
    },
  },
  {
    name: 'a second put replaces the first',
    async check({ backend, at, read }) {
      await backend.put(at('a'), text('a long first text'))
      await backend.put(at('a'), text('second'))
      assert.equal((await read(at('a'))).toString(), 'second')
      assert.equal((await backend.head(at('a')))?.md5, md5Hex('second'))
    },
  },
  {
    name: 'an object may be empty',
    async check({ backend, at, read, keysUnder }) {
      await backend.put(at('empty'), new Uint8Array())
      assert.equal((await read(at('empty'))).length, 0)
      assert.equal((await backend.head(at('empty')))?.size, 0)
      assert.deepEqual(await keysUnder('empty'), ['empty'])
    },
  },
  {
    name: 'a put body is taken as it is at the call',
    async check({ backend, at, read }) {
      const body = patternBytes(3000, 'mine').subarray(100, 2100)
      await backend.put(at('view'), body)
      assert.deepEqual(await read(at('view')), Buffer.from(body))
    },
  },
  {
    name: 'what is not there is undefined to head, object-not-found to get, nothing to delete',
    async check({ backend, at, read }) {
      assert.equal(await backend.head(at('none')), undefined)
      await expectProblem(() => read(at('none')), 'object-not-found')
      await backend.delete(at('none'))
    },
  },
  {
    name: 'a deleted object is gone',
    async check({ backend, at, read, keysUnder }) {
      await backend.put(at('a/b'), text('x'))
      await backend.delete(at('a/b'))
      await backend.delete(at('a/b'))
      assert.equal(await backend.head(at('a/b')), undefined)
      await expectProblem(() => read(at('a/b')), 'object-not-found')
      assert.deepEqual(await keysUnder('a'), [])
      await backend.put(at('a'), text('a folder may become an object once it is empty'))
    },
  },
  {
    name: 'a document is read whole as it is now, where the store has a shorter way',
    async check({ backend, at }) {
      const { readDocument } = backend
      if (readDocument === undefined) return
      assert.equal(await readDocument(at('none')), undefined)
      for (const body of [text('one'), text('two'), text(''), patternBytes(50_000, 'long')]) {
        await backend.put(at('a'), body)
        for (let times = 0; times < 2; times++) assert.deepEqual(Buffer.from((await readDocument(at('a'))) ?? 'none'), body)
      }
      await backend.delete(at('a'))
      assert.equal(await readDocument(at('a')), undefined)
    },
  },
  {
    name: 'many objects are deleted at once, and no others, where the store does that',
    async check({ backend, at, keysUnder }) {
      const { deleteMany } = backend
      if (deleteMany === undefined) return
      const gone = Array.from({ length: 12 }, (_, index) => `a/<${index}> & "x" + %20`)
      const kept = ['a/<1> & "x"', 'a/kept', 'b']
      for (const key of [...gone, ...kept]) await backend.put(at(key), text(key))
      await deleteMany([...gone, 'a/never-was'].map(at))
      assert.deepEqual([...(await keysUnder('a/')), ...(await keysUnder('b'))], kept)
      await deleteMany(gone.map(at))
      await deleteMany([])
    },
  },
  {
    name: 'every range of an object is read, and no other',
    async check({ backend, at, read }) {
      const bytes = patternBytes(1000, 'ranges')
      await backend.put(at('a'), bytes)
      for (const [start, end] of [
        [0, 1],
        [999, 1000],
        [100, 900],
        [0, 1000],
      ] as const) {
        assert.deepEqual(await read(at('a'), { start, end }), bytes.subarray(start, end), `bytes ${start} to ${end}`)
      }
      for (const [start, end] of [
        [0, 1001],
        [1000, 1001],
        [5, 5],
      ] as const) {
        await expectProblem(() => read(at('a'), { start, end }), 'invalid-range')
      }
    },
  },
  {
    name: 'odd keys are kept to the letter',
    async check({ backend, at, read, keysUnder }) {
      for (const key of oddKeys) await backend.put(at(`odd/${key}`), text(key))
      const wanted = oddKeys.map((key) => `odd/${key}`).sort(compareKeys)
      assert.deepEqual(await keysUnder('odd/'), wanted)
      for (const key of oddKeys) assert.equal((await read(at(`odd/${key}`))).toString(), key)
      for (const key of oddKeys) await backend.delete(at(`odd/${key}`))
      assert.deepEqual(await keysUnder('odd/'), [])
    },
  },
  {
    name: 'an empty name between slashes is a name',
    async check({ backend, at, read, keysUnder }) {
      for (const key of ['x//y', 'x/', 'x/y']) await backend.put(at(key), text(key))
      assert.deepEqual(await keysUnder('x'), ['x/', 'x//y', 'x/y'])
      assert.equal((await read(at('x/'))).toString(), 'x/')
    },
  },
  {
    name: 'one key may be a folder of another',
    async check({ backend, at, read, keysUnder }) {
      await backend.put(at('a'), text('object'))
      await backend.put(at('a/b'), text('below'))
      assert.equal((await read(at('a'))).toString(), 'object')
      assert.equal((await read(at('a/b'))).toString(), 'below')
      assert.deepEqual(await keysUnder('a'), ['a', 'a/b'])
    },
  },
  {
    name: 'of many writers one wins whole',
    async check({ backend, at, read }) {
      const bodies = Array.from({ length: 8 }, (_, index) => patternBytes(5000, `writer ${index}`))
      await Promise.all(bodies.map((body) => backend.put(at('a'), body)))
      const found = await read(at('a'))
      assert.ok(bodies.some((body) => body.equals(found)))
    },
  },
  {
    name: 'an aborted call does nothing',
    async check({ backend, at }) {
      const signal = AbortSignal.abort(new Error('told to stop'))
      for (const call of [
        () => backend.put(at('a'), text('x'), { signal }),
        () => backend.head(at('a'), { signal }),
        () => collect(backend.get(at('a'), { signal })),
      ])
        await assert.rejects(call())
      assert.equal(await backend.head(at('a')), undefined)
    },
  },
]

const listings: readonly CaseDefinition<Workbench>[] = [
  {
    name: 'a listing ascends by the bytes of the keys',
    async check({ backend, at, keysUnder }) {
      const wanted = inOrder
        .filter((key) => key !== 'a' && key !== 'a/b')
        .concat('a/b/d')
        .sort(compareKeys)
      for (const key of [...wanted].reverse()) await backend.put(at(`o/${key}`), text(key))
      assert.deepEqual(
        (await keysUnder('o/')).map((key) => key.slice(2)),
        wanted,
      )
    },
  },
  {
    name: 'a prefix may end anywhere, and an object listed is described',
    async check({ backend, at, keysUnder }) {
      for (const key of ['d/id-1', 'd/id-1.meta', 'd/id-2', 'd/other', 'e']) await backend.put(at(key), text(key))
      assert.deepEqual(await keysUnder('d/id'), ['d/id-1', 'd/id-1.meta', 'd/id-2'])
      assert.deepEqual(await keysUnder('d/id-1'), ['d/id-1', 'd/id-1.meta'])
      assert.deepEqual(await keysUnder('d/'), ['d/id-1', 'd/id-1.meta', 'd/id-2', 'd/other'])
      assert.deepEqual(await keysUnder('none'), [])
      assert.deepEqual(await keysUnder('d/id-1/'), [])
      const [listed] = await collect(backend.list(at('d/id-2')))
      const stat = await backend.head(at('d/id-2'))
      assert.equal(listed?.size, 6)
      assert.equal(listed?.bucket, at('').bucket)
      assert.equal(Math.floor(Number(listed?.lastModified) / 1000), Math.floor(Number(stat?.lastModified) / 1000))
    },
  },
  {
    name: 'a listing goes past one page',
    async check({ backend, at, keysUnder, manyObjects = 1050 }) {
      const names = Array.from({ length: manyObjects }, (_, index) => `many/${String(index).padStart(6, '0')}`)
      for (let start = 0; start < names.length; start += 16)
        await Promise.all(names.slice(start, start + 16).map((name) => backend.put(at(name), new Uint8Array())))
      assert.deepEqual(await keysUnder('many/'), names)
    },
  },
  {
    name: 'folders right below a prefix, each once',
    async check({ backend, at }) {
      for (const key of ['u/x_1/a', 'u/x_1/b', 'u/x_2/a/b', 'u/y_1/a', 'u/file', 'z']) await backend.put(at(key), text('x'))
      const folders = async (name: string): Promise<string[]> => {
        const keys = await collect(backend.listFolders(at(name)))
        return keys.map((key) => key.slice(at('').key.length))
      }
      assert.deepEqual(await folders('u/'), ['u/x_1/', 'u/x_2/', 'u/y_1/'])
      assert.deepEqual(await folders('u/x_'), ['u/x_1/', 'u/x_2/'])
      assert.deepEqual(await folders('u'), ['u/'])
      assert.deepEqual(await folders('u/x_1/'), [])
      assert.deepEqual(await folders('none'), [])
      await backend.delete(at('u/y_1/a'))
      assert.deepEqual(await folders('u/y'), [])
    },
  },
]

export const documentCases: readonly CaseDefinition<Workbench>[] = [...readsAndWrites, ...listings]
