import { createFuseNativeDriver, createKernelDriver } from '../../../adapters/fuse/index.ts'
import type { ByteSource } from '../../../src/bytes/byte-source.ts'
import { createMemorySource } from '../../../src/bytes/memory-source.ts'
import type { ByteRange } from '../../../src/core/byte-range.ts'
import { isScoreError, ScoreError } from '../../../src/core/errors.ts'
import { createFileTree, type FileTree } from '../../../src/mount/file-tree.ts'
import { createFuseMount } from '../../../src/mount/fuse-mount.ts'
import { everything, idOf, type Stored, servicesDouble } from '../tree-double.ts'
import { blackBox, type DaemonPlan, type DaemonWord, farByte, sampleBytes } from './daemon-plan.ts'

/**
 * A process that mounts objects of every kind and tells of it, one JSON line each. It ends when its standard input says so
 * or ends, and at the latest after ten minutes.
 */
const plan = JSON.parse(process.argv[2] ?? '') as DaemonPlan

function say(word: DaemonWord): void {
  process.stdout.write(`${JSON.stringify(word)}\n`)
}

function failing(size: number, work: () => Promise<never>): ByteSource {
  return {
    size: async () => size,
    stream: () => ({ [Symbol.asyncIterator]: () => ({ next: work }) }),
    close: async () => undefined,
  }
}

/** Terabytes that nobody stores: each byte is told by its place. */
function farSource(size: number): ByteSource {
  return {
    size: async () => size,
    async *stream({ start, end }: ByteRange) {
      const bytes = new Uint8Array(end - start)
      for (let at = 0; at < bytes.length; at += 1) bytes[at] = farByte(start + at)
      yield bytes
    },
    close: async () => undefined,
  }
}

interface Kind {
  readonly name: string
  readonly size: number
  open(): ByteSource
}

const never = (): Promise<never> => new Promise(() => undefined)
const refuse = (code: 'access-denied' | 'object-not-found') => (): never => {
  throw new ScoreError(code, 'not for you')
}

const kinds: readonly Kind[] = [
  ...[0, 1, 4096, 3_000_001].map((size) => ({ name: `plain-${size}`, size, open: () => createMemorySource(sampleBytes(size)) })),
  { name: 'far', size: blackBox.farBytes, open: () => farSource(blackBox.farBytes) },
  { name: 'denied', size: 10, open: refuse('access-denied') },
  { name: 'gone', size: 10, open: refuse('object-not-found') },
  { name: 'shrunk', size: 10, open: () => createMemorySource(new Uint8Array(9)) },
  { name: 'changed', size: 10, open: () => failing(10, () => Promise.reject(new ScoreError('object-changed', 'other bytes'))) },
  { name: 'revoked', size: 10, open: () => failing(10, () => Promise.reject(new ScoreError('access-denied', 'no longer'))) },
  { name: 'defect', size: 10, open: () => failing(10, () => Promise.reject(new TypeError('a defect'))) },
  { name: 'thrown', size: 10, open: () => ({ ...failing(10, never), stream: () => JSON.parse('{') }) },
  { name: 'nothing', size: 10, open: () => failing(10, () => Promise.reject()) },
]

const modified = new Date(blackBox.modifiedMs)
const many: readonly Stored[] = Array.from({ length: plan.many ?? 0 }, (_, index) => {
  return { objectId: idOf(1000 + index), fileName: `f${index}`, size: 1, analysisId: 'many', modified }
})
const given: readonly Stored[] = (plan.files ?? []).map(({ name, base64 }, index) => {
  return { objectId: idOf(500 + index), fileName: name, size: Buffer.from(base64, 'base64').length, analysisId: 'given', modified }
})
const stuck: readonly Stored[] = Array.from({ length: plan.stuck ?? 0 }, (_, index) => {
  return { objectId: idOf(200 + index), fileName: `s${index}`, size: 1_000_000, analysisId: 'stuck', modified }
})
const objects = [
  ...kinds.map(({ name, size }, index): Stored => ({ objectId: idOf(index), fileName: name, size, analysisId: 'A', modified })),
  ...stuck,
  ...given,
  ...many,
]

function open(objectId: string): ByteSource {
  const number = Number.parseInt(objectId.slice(24), 16)
  if (number >= 1000) return createMemorySource(Uint8Array.of(number & 0xff))
  if (number >= 500) return createMemorySource(Buffer.from(plan.files?.[number - 500]?.base64 ?? '', 'base64'))
  return number >= 200 ? failing(1_000_000, never) : (kinds[number] as Kind).open()
}

/** A tree whose look-ups throw what is no ScoreError, for one name. */
function trapped(tree: FileTree): FileTree {
  return {
    ...tree,
    lookup(path) {
      if (path === '/trap') throw new TypeError('a trap')
      return tree.lookup(path)
    },
  }
}

const services = servicesDouble(objects)
const tree = await createFileTree(services, { selection: everything, layout: plan.layout ?? 'bundle' })
const mount = createFuseMount({ tree: trapped(tree), open, limits: { callMs: plan.callMs ?? 2000 } })
const driver = { 'fuse-native': createFuseNativeDriver, kernel: createKernelDriver }[plan.driver]({ watchMs: 50 })

setTimeout(() => process.exit(9), 600_000).unref()
try {
  const folder = await driver.mount({
    mount,
    mountPoint: plan.mountPoint,
    attributeSeconds: plan.attributeSeconds ?? 1,
    negativeSeconds: 0,
    onProblem: (error, operation, path) => say({ kind: 'problem', operation, path, message: String(error) }),
  })
  say({ kind: 'ready' })
  const leave = async (): Promise<void> => {
    await folder.unmount()
    await mount.close()
  }
  const whenWaiting = (calls: number): void => {
    if (mount.statistics().pending >= calls) say({ kind: 'waiting' })
    else setTimeout(whenWaiting, 10, calls).unref()
  }
  process.stdin.on('data', (data: Buffer) => {
    for (const word of data.toString().trim().split('\n')) {
      if (word === 'leave') void leave()
      if (word === 'exit') process.exit(7)
      if (word === 'fail')
        process.nextTick(() => {
          throw new Error('a defect that nobody catches')
        })
      const [, calls] = /^wait for (\d+)$/.exec(word) ?? []
      if (calls !== undefined) whenWaiting(Number(calls))
      if (word === 'hide plain-1') {
        services.objects = objects.filter(({ fileName }) => fileName !== 'plain-1')
        void tree.refresh().then(() => say({ kind: 'refreshed' }))
      }
    }
  })
  process.stdin.on('end', () => void leave())
  const how = await folder.ended
  say({ kind: 'ended', how, statistics: mount.statistics() })
  await mount.close()
  process.stdin.destroy()
} catch (error) {
  say({ kind: 'refused', code: isScoreError(error) ? error.code : 'none', message: String(error) })
  process.exitCode = 3
}
