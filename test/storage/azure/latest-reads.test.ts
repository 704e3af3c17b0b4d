import * as assert from 'uvu/assert'
import { createLatestReads } from '../../../src/storage/azure/latest-reads.ts'
import { suite } from '../../support/suite.ts'

/** Reads that end when they are told to. */
function slowReads() {
  const running: { resolve(value: number): void; reject(error: Error): void }[] = []
  return {
    running,
    begin: () => new Promise<number>((resolve, reject) => running.push({ resolve, reject })),
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await Promise.resolve()
}

function failureOf(work: Promise<number>): Promise<string> {
  return work.then(String, (error: Error) => error.message)
}

suite('storage/azure latest reads', (test) => {
  test('who comes during a read shares the next, never the one under way', async () => {
    const { running, begin } = slowReads()
    const reads = createLatestReads<number>()
    const first = reads.read('a', begin)
    const waiting = [reads.read('a', begin), reads.read('a', begin), reads.read('a', begin)]
    await settle()
    assert.is(running.length, 1)
    running[0]?.resolve(1)
    assert.is(await first, 1)
    await settle()
    assert.is(running.length, 2)
    const late = reads.read('a', begin)
    running[1]?.resolve(2)
    assert.equal(await Promise.all(waiting), [2, 2, 2])
    await settle()
    running[2]?.resolve(3)
    assert.is(await late, 3)
    assert.is(running.length, 3)
  })

  test('different things are read at once', async () => {
    const { running, begin } = slowReads()
    const reads = createLatestReads<number>()
    const both = [reads.read('a', begin), reads.read('b', begin)]
    assert.is(running.length, 2)
    for (const [index, read] of running.entries()) read.resolve(index)
    assert.equal(await Promise.all(both), [0, 1])
  })

  test('a read that fails fails for its own callers; the next is begun all the same', async () => {
    const { running, begin } = slowReads()
    const reads = createLatestReads<number>()
    const first = reads.read('a', begin)
    const second = reads.read('a', begin)
    running[0]?.reject(new Error('gone'))
    assert.is(await failureOf(first), 'gone')
    await settle()
    running[1]?.resolve(2)
    assert.is(await second, 2)
    await settle()
    const third = reads.read('a', begin)
    running[2]?.resolve(3)
    assert.is(await third, 3)
  })

  test('a caller that is aborted leaves, and the others get what they wait for', async () => {
    const { running, begin } = slowReads()
    const reads = createLatestReads<number>()
    const stop = new AbortController()
    const leaves = reads.read('a', begin, { signal: stop.signal })
    const stays = reads.read('a', begin)
    stop.abort(new Error('enough'))
    assert.is(await failureOf(leaves), 'enough')
    running[0]?.resolve(1)
    await settle()
    running[1]?.resolve(2)
    assert.is(await stays, 2)
  })
})
