import { constants } from 'node:os'
import * as assert from 'uvu/assert'
import { createKernelSession, type KernelSession } from '../../../adapters/fuse/kernel-session.ts'
import type { ByteSource } from '../../../src/bytes/byte-source.ts'
import { createMemorySource } from '../../../src/bytes/memory-source.ts'
import { createFileTree, type FileTree } from '../../../src/mount/file-tree.ts'
import { createFuseMount, type FuseMount } from '../../../src/mount/fuse-mount.ts'
import { everything, idOf, type ServicesDouble, servicesDouble } from '../../mount/tree-double.ts'
import { suite } from '../../support/suite.ts'
import { type bytesOf, question } from './kernel-bytes.ts'

const { EAGAIN, EINTR, EIO, ENOENT, ENOSYS, EPROTO, EROFS, ESTALE, EINVAL, EBADF } = constants.errno

interface Told {
  readonly unique: number
  readonly error: number
  readonly body: Buffer
}

/** A kernel that asks one thing after another, and hears everything but what `deaf` names. */
interface Kernel {
  readonly session: KernelSession
  readonly mount: FuseMount
  readonly services: ServicesDouble
  readonly tree: FileTree
  readonly problems: readonly string[]
  readonly told: readonly Told[]
  deaf: boolean
  /** Sends a request without waiting; its number. */
  send(opcode: number, node: number, body?: Parameters<typeof bytesOf>[0]): number
  answerTo(unique: number): Promise<Told>
  ask(opcode: number, node: number, body?: Parameters<typeof bytesOf>[0]): Promise<Told>
  /** The node of a name in a folder. */
  find(parent: number, name: string): Promise<number>
}

const sizes = { 'a.bin': 100_000, 'b.bin': 3, stuck: 10 }
const content = Buffer.alloc(100_000, 'score')

const mounts: FuseMount[] = []

/** Files open after `opening`; reads of `stuck` never end. */
async function createKernel({ opening, answerMs = 60_000 }: { opening?: Promise<void>; answerMs?: number } = {}): Promise<Kernel> {
  const modified = new Date(Date.UTC(2026, 0, 1))
  const services = servicesDouble(
    Object.entries(sizes).map(([fileName, size], index) => ({ objectId: idOf(index), fileName, size, analysisId: 'A', modified })),
  )
  const tree = await createFileTree(services, { selection: everything })
  const stuck: ByteSource = {
    size: async () => sizes.stuck,
    stream: () => ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => undefined) }) }),
    close: async () => undefined,
  }
  const open = async (objectId: string): Promise<ByteSource> => {
    await opening
    const { size = 0, fileName } = services.objects.find((object) => object.objectId === objectId) ?? { fileName: '' }
    return fileName === 'stuck' ? stuck : createMemorySource(content.subarray(0, size))
  }
  const trapped: Pick<FileTree, 'lookup' | 'report'> = {
    report: tree.report,
    lookup(path) {
      if (path === '/trap') throw new TypeError('a trap')
      return tree.lookup(path)
    },
  }
  const mount = createFuseMount({ tree: trapped, open })
  mounts.push(mount)
  const told: Told[] = []
  const problems: string[] = []
  const waiting = new Set<() => void>()
  const session = createKernelSession({
    mount,
    seconds: { attributes: 60, negative: 5 },
    owner: { uid: 1000, gid: 1000 },
    allowOther: false,
    answerMs,
    onProblem: (error, operation, path) => problems.push(`${operation} ${path}: ${String(error)}`),
    send(unique, error, pieces = []) {
      told.push({ unique, error, body: Buffer.concat(pieces) })
      for (const look of waiting) look()
      return !kernel.deaf
    },
  })
  let unique = 0
  const kernel: Kernel = {
    session,
    mount,
    services,
    tree,
    problems,
    told,
    deaf: false,
    send(opcode, node, body = []) {
      unique += 2
      session.receive(question({ opcode, unique, node }, body))
      return unique
    },
    answerTo: (number) =>
      new Promise((resolve) => {
        const look = (): void => {
          const answer = told.find((one) => one.unique === number)
          if (answer === undefined) return
          waiting.delete(look)
          resolve(answer)
        }
        waiting.add(look)
        look()
      }),
    ask: (opcode, node, body) => kernel.answerTo(kernel.send(opcode, node, body)),
    async find(parent, name) {
      const { error, body } = await kernel.ask(1, parent, [['text', `${name}\0`]])
      assert.is(error, 0, name)
      return Number(body.readBigUInt64LE(0))
    },
  }
  return kernel
}

const openFile = [
  ['u32', 0x8000],
  ['u32', 0],
] as const
const read = (handle: number, offset: number, size: number): Parameters<typeof bytesOf>[0] => [
  ['u64', handle],
  ['u64', offset],
  ['u32', size],
  ['u32', 0],
  ['u64', 0],
  ['u32', 0],
  ['u32', 0],
]
const init = (minor: number, major = 7): Parameters<typeof bytesOf>[0] => [
  ['u32', major],
  ['u32', minor],
  ['u32', 131_072],
  ['u32', 0x73ffffff],
]
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

suite('adapters/fuse/kernel-session', (test) => {
  test.afterEach(async () => {
    for (const mount of mounts.splice(0)) await mount.close()
  })

  test('both agree, also with a kernel of a later major version, which asks again', async () => {
    const kernel = await createKernel()
    assert.is((await kernel.ask(26, 0, init(1, 8))).body.readUInt32LE(0), 7)
    assert.is((await kernel.ask(26, 0, init(45))).body.readUInt32LE(4), 38)
    await kernel.session.agreed
    const old = await createKernel()
    assert.is((await old.ask(26, 0, init(20))).error, -EPROTO)
    await old.session.agreed.then(
      () => assert.unreachable(),
      (error: Error) => assert.match(error.message, /FUSE 7\.20/),
    )
  })

  test('a file by name, attributes, opened, read in and past its end, closed', async () => {
    const kernel = await createKernel()
    const file = await kernel.find(await kernel.find(1, 'A'), 'a.bin')
    const attributes = await kernel.ask(3, file, [
      ['u32', 0],
      ['u32', 0],
      ['u64', 0],
    ])
    assert.equal([attributes.body.readBigUInt64LE(0), attributes.body.readBigUInt64LE(24)], [60n, 100_000n])
    const handle = Number((await kernel.ask(14, file, openFile)).body.readBigUInt64LE(0))
    for (const [offset, size] of [
      [0, 4096],
      [99_990, 4096],
      [50_001, 7],
      [100_000, 10],
      [0, 100_000],
    ] as const)
      assert.equal((await kernel.ask(15, file, read(handle, offset, size))).body, content.subarray(offset, offset + size))
    assert.is(
      (
        await kernel.ask(18, file, [
          ['u64', handle],
          ['u32', 0],
          ['u32', 0],
          ['u64', 0],
        ])
      ).error,
      0,
    )
    assert.is(kernel.mount.statistics().openFiles, 0)
    assert.is((await kernel.ask(15, file, read(handle, 0, 1))).error, -EBADF)
  })

  const answers: readonly (readonly [what: string, opcode: number, body: Parameters<typeof bytesOf>[0], error: number])[] = [
    ['a trap that throws no ScoreError', 1, [['text', 'trap\0']], -EIO],
    ['a request that is cut', 15, [['u32', 1]], -EIO],
    ['reading a link', 5, [], -EINVAL],
    [
      'a change',
      9,
      [
        ['u32', 0],
        ['u32', 0],
        ['text', 'x\0'],
      ],
      -EROFS,
    ],
    [
      'opening for writing',
      14,
      [
        ['u32', 0x8001],
        ['u32', 0],
      ],
      -EROFS,
    ],
    ['a name of no alphabet', 1, [['u32', 0x00fffefd]], -ENOENT],
    ['extended attributes', 22, [['u32', 0]], -ENOSYS],
    ['flush', 25, [], -ENOSYS],
    ['opcode 999', 999, [], -ENOSYS],
    ['a signal to a request that nobody knows', 36, [['u64', 12_345]], -EAGAIN],
  ]
  for (const [what, opcode, body, error] of answers)
    test(`one answer: ${what}`, async () => {
      const kernel = await createKernel()
      assert.is((await kernel.ask(opcode, 1, body)).error, error)
      await settled()
      assert.is(kernel.told.length, 1)
    })

  test('no answer: forgetting, and what wakes', async () => {
    const kernel = await createKernel()
    kernel.send(2, 5, [['u64', 1]])
    kernel.send(42, 0, [
      ['u32', 1],
      ['u32', 0],
      ['u64', 5],
      ['u64', 1],
    ])
    kernel.send(41, 1)
    kernel.session.receive(new Uint8Array(3))
    await settled()
    assert.equal(kernel.told, [])
    assert.match(kernel.problems.join(), /no request/)
  })

  test('that a name is missing is kept as long as was asked for', async () => {
    const { error, body } = await (await createKernel()).ask(1, 1, [['text', 'none\0']])
    assert.equal([error, body.readBigUInt64LE(0), body.readBigUInt64LE(16)], [0, 0n, 5n])
  })

  test('a signal: EINTR at once, one answer, the work is told to stop, nobody is told of a problem', async () => {
    const kernel = await createKernel()
    const file = await kernel.find(await kernel.find(1, 'A'), 'stuck')
    const handle = Number((await kernel.ask(14, file, openFile)).body.readBigUInt64LE(0))
    const waiting = kernel.send(15, file, read(handle, 0, 10))
    await settled()
    assert.is(kernel.mount.statistics().pending, 1)
    kernel.send(36, 0, [['u64', waiting]])
    assert.is((await kernel.answerTo(waiting)).error, -EINTR)
    while (kernel.mount.statistics().pending > 0) await settled()
    await settled()
    assert.is(kernel.told.filter(({ unique }) => unique === waiting).length, 1)
    assert.equal(kernel.problems, [])
  })

  test('a signal to an open that comes through all the same: the file is closed again', async () => {
    let arrive: () => void = () => undefined
    const kernel = await createKernel({
      opening: new Promise((resolve) => {
        arrive = resolve
      }),
    })
    const file = await kernel.find(await kernel.find(1, 'A'), 'b.bin')
    const waiting = kernel.send(14, file, openFile)
    await settled()
    kernel.send(36, 0, [['u64', waiting]])
    arrive()
    assert.is((await kernel.answerTo(waiting)).error, -EINTR)
    while (kernel.mount.statistics().pending > 0) await settled()
    assert.is(kernel.mount.statistics().openFiles, 0)
  })

  test('an answer that nobody hears takes back what it gave: the file, the node', async () => {
    const kernel = await createKernel()
    const folder = await kernel.find(1, 'A')
    const file = await kernel.find(folder, 'b.bin')
    kernel.deaf = true
    await kernel.ask(14, file, openFile)
    await settled()
    assert.is(kernel.mount.statistics().openFiles, 0)
    const lost = Number((await kernel.ask(1, folder, [['text', 'a.bin\0']])).body.readBigUInt64LE(0))
    kernel.deaf = false
    assert.is.not(await kernel.find(folder, 'a.bin'), lost)
  })

  test('no answer in time is EIO, and told', async () => {
    const kernel = await createKernel({ answerMs: 5, opening: new Promise(() => undefined) })
    const file = await kernel.find(await kernel.find(1, 'A'), 'b.bin')
    assert.is((await kernel.ask(14, file, openFile)).error, -EIO)
    assert.match(kernel.problems.join(), /open \/A\/b\.bin: .*not answered within/)
  })

  test('a node is known until all its answers are forgotten', async () => {
    const kernel = await createKernel()
    const folder = await kernel.find(1, 'A')
    const file = await kernel.find(folder, 'b.bin')
    assert.is(await kernel.find(folder, 'b.bin'), file)
    kernel.send(2, file, [['u64', 1]])
    assert.is(await kernel.find(folder, 'b.bin'), file)
    kernel.send(42, 0, [
      ['u32', 1],
      ['u32', 0],
      ['u64', file],
      ['u64', 2],
    ])
    assert.is((await kernel.ask(14, file, openFile)).error, -ESTALE)
    assert.is.not(await kernel.find(folder, 'b.bin'), file)
  })

  test('another version of a file is another node; the old one opens no more', async () => {
    const kernel = await createKernel()
    const folder = await kernel.find(1, 'A')
    const file = await kernel.find(folder, 'b.bin')
    kernel.services.objects = kernel.services.objects.map((object) => (object.fileName === 'b.bin' ? { ...object, size: 4 } : object))
    await kernel.tree.refresh()
    assert.is((await kernel.ask(14, file, openFile)).error, -ESTALE)
    const next = await kernel.find(folder, 'b.bin')
    assert.is.not(next, file)
    assert.is((await kernel.ask(14, next, openFile)).error, 0)
    assert.is(kernel.mount.statistics().openFiles, 1)
  })

  test('a folder is listed in pieces, with and without attributes', async () => {
    const kernel = await createKernel()
    const folder = await kernel.find(1, 'A')
    const handle = Number(
      (
        await kernel.ask(27, folder, [
          ['u32', 0],
          ['u32', 0],
        ])
      ).body.readBigUInt64LE(0),
    )
    const names: string[] = []
    for (let offset = 0; ; ) {
      const { body } = await kernel.ask(28, folder, read(handle, offset, 40))
      if (body.length === 0) break
      offset = Number(body.readBigUInt64LE(8))
      names.push(body.toString('utf8', 24, 24 + body.readUInt32LE(16)))
    }
    assert.equal(names, ['.', '..', 'a.bin', 'b.bin', 'stuck'])
    const { body } = await kernel.ask(44, folder, read(handle, 2, 4096))
    assert.is(Number(body.readBigUInt64LE(0)), await kernel.find(folder, 'a.bin'))
    assert.is(
      (
        await kernel.ask(29, folder, [
          ['u64', handle],
          ['u32', 0],
          ['u32', 0],
          ['u64', 0],
        ])
      ).error,
      0,
    )
    assert.is((await kernel.ask(28, folder, read(handle, 0, 4096))).error, -EBADF)
    assert.is((await kernel.ask(1, folder, [['text', 'none\0']])).body.readBigUInt64LE(0), 0n)
  })
})
