import * as assert from 'uvu/assert'
import { createCachedMetadata } from '../../src/metadata/cached-metadata.ts'
import { createTestCatalogue, failure, ids } from '../objects/score-house.ts'
import { suite } from '../support/suite.ts'

suite('metadata/cached-metadata', (test) => {
  test('an entity is asked for once while it is believed, and again after', async () => {
    const catalogue = createTestCatalogue()
    let time = 0
    const cached = createCachedMetadata(catalogue, { entitySeconds: 30, now: () => time })
    await cached.entity(ids.a)
    time = 29_999
    assert.is((await cached.entity(ids.a)).study, 'ABC123')
    assert.equal(catalogue.calls, [`entity ${ids.a}`])
    time = 30_000
    await cached.entity(ids.a)
    assert.is(catalogue.calls.length, 2)
  })

  test('its age counts from when it was asked for', async () => {
    let time = 0
    const catalogue = createTestCatalogue()
    const slow = {
      ...catalogue,
      async entity(objectId: string) {
        time += 20_000
        return catalogue.entity(objectId)
      },
    }
    const cached = createCachedMetadata(slow, { entitySeconds: 30, now: () => time })
    await cached.entity(ids.a)
    time = 31_000
    await cached.entity(ids.a)
    assert.is(catalogue.calls.length, 2)
  })

  test('callers at one time share one call, also when it fails; a failure is not kept', async () => {
    const catalogue = createTestCatalogue()
    const cached = createCachedMetadata(catalogue)
    await Promise.all(Array.from({ length: 50 }, () => cached.entity(ids.a)))
    assert.is(catalogue.calls.length, 1)
    const failures = await Promise.all(Array.from({ length: 50 }, () => failure(cached.entity(ids.unknown))))
    assert.equal([...new Set(failures.map((error) => error.code))], ['entity-not-found'])
    assert.is(catalogue.calls.length, 2)
    catalogue.rows.set(ids.unknown, { objectId: ids.unknown, analysisId: 'AN-1', study: 'S', access: 'open', fileName: 'n' })
    assert.is((await cached.entity(ids.unknown)).study, 'S')
  })

  test('a caller that is aborted leaves, the others get theirs', async () => {
    const cached = createCachedMetadata(createTestCatalogue())
    const stop = new AbortController()
    const left = cached.entity(ids.a, { signal: stop.signal }).catch((error: Error) => error.message)
    const stays = cached.entity(ids.a)
    stop.abort(new Error('enough'))
    assert.is(await left, 'enough')
    assert.is((await stays).objectId, ids.a)
  })

  test('the state of an analysis is never kept', async () => {
    const catalogue = createTestCatalogue()
    const cached = createCachedMetadata(catalogue)
    const entity = await cached.entity(ids.a)
    assert.is(await cached.analysisState(entity), 'UNPUBLISHED')
    catalogue.states.set('AN-1', 'PUBLISHED')
    assert.is(await cached.analysisState(entity), 'PUBLISHED')
  })

  test('the oldest go when there are too many', async () => {
    const catalogue = createTestCatalogue()
    const cached = createCachedMetadata(catalogue, { maximumEntries: 2 })
    for (const id of [ids.a, ids.b, ids.open, ids.open, ids.b, ids.a]) await cached.entity(id)
    assert.equal(
      catalogue.calls,
      [ids.a, ids.b, ids.open, ids.a].map((id) => `entity ${id}`),
    )
  })
})
