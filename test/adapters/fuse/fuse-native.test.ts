import * as assert from 'uvu/assert'
import { createAnswers } from '../../../adapters/fuse/answers.ts'
import { loadFuseNative } from '../../../adapters/fuse/fuse-native-library.ts'
import { nativeOperations } from '../../../adapters/fuse/native-operations.ts'
import { createMemorySource } from '../../../src/bytes/memory-source.ts'
import { isScoreError, ScoreError } from '../../../src/core/errors.ts'
import { createFuseMount } from '../../../src/mount/fuse-mount.ts'
import { idOf, treeOf } from '../../mount/tree-double.ts'
import { suite } from '../../support/suite.ts'

interface Given {
  readonly error: number
  readonly result?: unknown
}

const content = Buffer.from('ACGTACGTNN')

/** The first answer of a handler, and how many there were once everything else is done. */
async function answersOf(work: (reply: (error: number, result?: unknown) => void) => void): Promise<Given[]> {
  const answers: Given[] = []
  await new Promise<void>((resolve) => {
    work((error, result) => {
      answers.push(result === undefined ? { error } : { error, result })
      setTimeout(resolve, 30)
    })
  })
  return answers
}

suite('adapters/fuse/answers', (test) => {
  const rejected: readonly (readonly [what: string, work: () => Promise<unknown>, error: number])[] = [
    ['a ScoreError', () => Promise.reject(new ScoreError('path-not-found', 'x')), -2],
    ['access denied', () => Promise.reject(new ScoreError('access-denied', 'x')), -13],
    ['a read-only mount', () => Promise.reject(new ScoreError('read-only', 'x')), -30],
    ['an object that changed', () => Promise.reject(new ScoreError('object-changed', 'x')), -116],
    ['a defect', () => Promise.reject(new TypeError('x')), -5],
    ['no error', () => Promise.reject(), -5],
    ['a string', () => Promise.reject('ENOENT'), -5],
    [
      'a throw',
      () => {
        throw new RangeError('x')
      },
      -5,
    ],
  ]
  for (const [what, work, error] of rejected) {
    test(`${what} is ${error}, once`, async () => {
      const told: unknown[] = []
      const { answer: answering } = createAnswers({ answerMs: 5000, onProblem: (problem) => void told.push(problem) })
      assert.equal(await answersOf((reply) => answering('read', '/x', reply, work)), [{ error }])
      assert.is(told.length, [-5, -13, -116].includes(error) ? 1 : 0)
    })
  }

  test('work that does not end is answered in time; what it gives later is not', async () => {
    let alive: (() => boolean) | undefined
    const answers = await answersOf((reply) =>
      createAnswers({ answerMs: 20 }).answer('read', '/x', reply, async (question) => {
        alive = question.alive
        await new Promise((resolve) => setTimeout(resolve, 35))
        return 7
      }),
    )
    assert.equal(answers, [{ error: -5 }])
    assert.is(alive?.(), false)
  })

  test('a listener that throws changes nothing', async () => {
    const { answer: answering } = createAnswers({
      answerMs: 5000,
      onProblem() {
        throw new Error('the listener')
      },
    })
    assert.equal(await answersOf((reply) => answering('read', '/x', reply, () => Promise.reject(new Error('x')))), [{ error: -5 }])
  })
})

suite('adapters/fuse/native-operations', (test) => {
  const operations = async () => {
    const tree = await treeOf([{ objectId: idOf(1), fileName: 'a', size: content.length }])
    const mount = createFuseMount({ tree, open: () => createMemorySource(content) })
    return nativeOperations({ mount, owner: { uid: 7, gid: 8 }, allowOther: false, answers: createAnswers({ answerMs: 5000 }) })
  }

  test('a read fills the buffer as far as the file goes, and tells how much', async () => {
    const { open, read } = await operations()
    const opened = await answersOf((reply) => open('/A1/a', 0o100000, reply))
    const handle = opened[0]?.result as number
    const buffer = Buffer.alloc(16, '.')
    const answers: number[] = []
    await new Promise<void>((resolve) => {
      read('/A1/a', handle, buffer, 16, 4, (count) => {
        answers.push(count)
        resolve()
      })
    })
    assert.equal([answers, buffer.toString()], [[6], 'ACGTNN..........'])
  })

  test('reading what is not open is EBADF, not a length', async () => {
    const { read } = await operations()
    const answers = await answersOf((reply) => read('/A1/a', 99, Buffer.alloc(4), 4, 0, reply))
    assert.equal(answers, [{ error: -9 }])
  })

  for (const flags of [0o1, 0o2, 0o102001]) {
    test(`opening with ${flags.toString(8)} is EROFS`, async () => {
      const { open } = await operations()
      assert.equal(await answersOf((reply) => open('/A1/a', flags, reply)), [{ error: -30 }])
    })
  }

  test('closing what the mount forgot is no error', async () => {
    const { release } = await operations()
    assert.equal(await answersOf((reply) => release('/A1/a', 5, reply)), [{ error: 0 }])
  })
})

suite('adapters/fuse/fuse-native-library', (test) => {
  test('a package that is not there is told of with the way out', () => {
    const missing = Object.assign(new Error("Cannot find module 'fuse-native'"), { code: 'MODULE_NOT_FOUND' })
    const require = Object.assign(
      () => {
        throw missing
      },
      { resolve: () => '' },
    ) as unknown as NodeJS.Require
    try {
      loadFuseNative(require)
      assert.unreachable()
    } catch (error) {
      assert.ok(isScoreError(error, 'invalid-configuration'), String(error))
      assert.match(String(error), /not installed.*FUSE_NATIVE=1 npm install/)
    }
  })
})
