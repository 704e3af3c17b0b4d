import * as assert from 'uvu/assert'
import { sweepStaleUploadsOnce } from '../../src/objects/stale-uploads.ts'
import { claimSweep, type SweepClaim } from '../../src/objects/sweep-claim.ts'
import { createMemoryBackend } from '../../src/storage/memory/backend.ts'
import { createObjectLayout } from '../../src/storage/object-layout.ts'
import type { StorageBackend } from '../../src/storage/storage-backend.ts'
import { randomOf } from '../support/random-of.ts'
import { suite } from '../support/suite.ts'
import { bytes, collect, failure, ids, openHouse, tapStore } from './score-house.ts'

const layout = createObjectLayout({ objectBucket: 'obj', stateBucket: 'state' })
const day = 86_400_000

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** A store in memory whose calls take a random number of turns, before and after they happen. */
function slowStore(random: () => number, now: () => number): StorageBackend {
  const store = tapStore(createMemoryBackend({ now }))
  store.tap.before = () => turns(Math.floor(random() * 5))
  store.tap.after = () => turns(Math.floor(random() * 5))
  return store
}

suite('objects/sweep-claim', (test) => {
  test('one has it; another gets it when it is given back, or too old, and removes what is too old', async () => {
    let time = 10 * day
    const backend = createMemoryBackend({ now: () => time })
    const claim = (): Promise<SweepClaim | undefined> => claimSweep({ backend, layout, retry: { sleep: async () => undefined } })
    const claims = (): Promise<number> => collect(backend.list(layout.sweepClaims)).then((rows) => rows.length)
    const first = await claim()
    assert.is(first?.at.getTime(), time)
    assert.is(await claim(), undefined)
    assert.is(await claims(), 1)
    await first?.release()
    assert.ok(await claim())
    time += day / 2 - 1
    assert.is(await claim(), undefined)
    time += 1
    assert.ok(await claim())
    assert.is(await claims(), 1)
  })

  test('a claim is no upload of anyone', async () => {
    const backend = createMemoryBackend()
    await claimSweep({ backend, layout })
    for await (const folder of backend.listFolders(layout.uploadRoots()[0] as { bucket: string; key: string }))
      assert.is(layout.uploadOf(folder), undefined)
  })

  test('of many that claim at once, at most one has it, and one in the end', async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = randomOf(seed)
      const backend = slowStore(random, () => day)
      const sleep = (ms: number): Promise<void> => turns(Math.ceil(ms / 50))
      const claims = await Promise.all(Array.from({ length: 4 }, () => claimSweep({ backend, layout, retry: { sleep, random } })))
      const won = claims.filter((claim) => claim !== undefined)
      assert.ok(won.length <= 1, `seed ${seed}: ${won.length} have it`)
      assert.is((await collect(backend.list(layout.sweepClaims))).length, won.length, `seed ${seed}`)
      if (won.length === 0) assert.ok(await claimSweep({ backend, layout }), `seed ${seed}`)
    }
  })

  test('many servers, one clean-up: each upload is ended once, by the clock of the store', async () => {
    const house = await openHouse()
    await house.upload(ids.a, bytes(25), { finish: false })
    house.advance(7 * day)
    await house.upload(ids.b, bytes(25), { finish: false })
    const aborted = (): number => house.store.tap.calls.filter((call) => call.startsWith('abortMultipart')).length
    const sweep = () => sweepStaleUploadsOnce({ backend: house.store, layout: house.layout, retry: { sleep: async () => turns(3) } })
    const ended = await Promise.all(Array.from({ length: 5 }, sweep))
    const again = ended.every((uploads) => uploads === undefined) ? await sweep() : undefined
    assert.equal(
      [...ended, again].flatMap((uploads) => uploads ?? []).map(({ objectId }) => objectId),
      [ids.a],
    )
    assert.is(aborted(), 1)
    await house.api.resumeUpload({ objectId: ids.b, size: 25 })
    assert.is(await sweep(), undefined)
  })

  test('a clean-up that fails lets another server try; one that is told to stop leaves it for later', async () => {
    const house = await openHouse()
    await house.upload(ids.a, bytes(25), { finish: false })
    house.advance(7 * day)
    const sweep = (signal?: AbortSignal) =>
      sweepStaleUploadsOnce({ backend: house.store, layout: house.layout, ...(signal ? { signal } : {}) })
    house.store.tap.before = (call) => {
      if (call === 'abortMultipart') throw new Error('the store is gone')
    }
    assert.match(String(await sweep().catch((error: unknown) => error)), /the store is gone/)
    const controller = new AbortController()
    house.store.tap.before = (call) => {
      if (call === 'abortMultipart') controller.abort(new Error('the server ends'))
    }
    assert.match(String(await sweep(controller.signal).catch((error: unknown) => error)), /the server ends/)
    house.store.tap.before = undefined
    assert.is(await sweep(), undefined)
    house.advance(day / 2)
    assert.equal(
      (await sweep())?.map(({ objectId }) => objectId),
      [ids.a],
    )
    assert.is((await failure(house.api.resumeUpload({ objectId: ids.a, size: 25 }))).code, 'upload-not-found')
  })
})
