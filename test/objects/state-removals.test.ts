import * as assert from 'uvu/assert'
import { isScoreError, ScoreError } from '../../src/core/errors.ts'
import type { UploadRef } from '../../src/core/object-spec.ts'
import { createStateRemovals, type StateRemovalsOptions } from '../../src/objects/state-removals.ts'
import type { UploadJournal } from '../../src/objects/upload-journal.ts'
import { suite } from '../support/suite.ts'

const upload: UploadRef = { objectId: '00000000-0000-4000-8000-000000000001', uploadId: 'u1' }

/** A journal whose removals end when they are told to. */
function openRemovals(options: Omit<StateRemovalsOptions, 'journal' | 'onFailure'> = {}) {
  const begun: { readonly end: (error?: Error) => void; readonly signal: AbortSignal | undefined }[] = []
  const failures: ScoreError[] = []
  const clear: UploadJournal['clear'] = (_upload, { signal } = {}) =>
    new Promise((resolve, reject) => {
      begun.push({ signal, end: (error) => (error ? reject(error) : resolve()) })
      signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
    })
  const journal = { clear } as UploadJournal
  return { begun, failures, removals: createStateRemovals({ journal, onFailure: (error) => failures.push(error), ...options }) }
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve()
}

/** Whether it is done, after whatever can be done without anything new coming. */
async function isDone(work: Promise<unknown>): Promise<boolean> {
  let done = false
  void work.then(() => {
    done = true
  })
  await turns()
  return done
}

suite('objects/state-removals', (test) => {
  test('nobody waits for a removal, until the service ends', async () => {
    const { begun, removals } = openRemovals()
    assert.ok(await isDone(removals.begin(upload)))
    const settled = removals.settle()
    assert.not.ok(await isDone(settled))
    begun[0]?.end()
    await settled
    assert.ok(await isDone(removals.settle()))
  })

  test('who comes while as many run as may waits for its own', async () => {
    const { begun, removals } = openRemovals({ atOnce: 2 })
    for (const _ of [1, 2]) assert.ok(await isDone(removals.begin(upload)))
    const third = removals.begin(upload)
    assert.not.ok(await isDone(third))
    begun[0]?.end()
    assert.not.ok(await isDone(third))
    begun[2]?.end()
    await third
    assert.ok(await isDone(removals.begin(upload)), 'one of two is done')
    for (const { end } of begun) end()
    await removals.settle()
  })

  test('a failure is told with what it is of and what becomes of it; nobody fails by it', async () => {
    const { begun, failures, removals } = openRemovals({ atOnce: 1 })
    await removals.begin(upload)
    const second = removals.begin(upload)
    begun[0]?.end(new ScoreError('unavailable', 'the store is down'))
    begun[1]?.end(new TypeError('odd'))
    await second
    await removals.settle()
    assert.equal(
      failures.map(({ code }) => code),
      ['unavailable', 'internal'],
    )
    assert.match(failures[0]?.message ?? '', /upload 'u1' of object 00000000-0000-4000-8000-000000000001.*clean-up.*the store is down/)
  })

  test('a service that ends does not wait for a store that never answers', async () => {
    const { begun, failures, removals } = openRemovals({ graceMs: 1 })
    await removals.begin(upload)
    await removals.settle()
    assert.ok(begun[0]?.signal?.aborted)
    assert.ok(isScoreError(failures[0], 'unavailable'))
  })
})
