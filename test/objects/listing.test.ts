import { setTimeout as wait } from 'node:timers/promises'
import * as assert from 'uvu/assert'
import type { ObjectInfo } from '../../src/api/score-api.ts'
import { ScoreError } from '../../src/core/errors.ts'
import type { Entity } from '../../src/metadata/metadata-service.ts'
import { type ListingRights, listVisibleObjects } from '../../src/objects/listing.ts'
import { suite } from '../support/suite.ts'
import { bytes, collect, createTestCatalogue, failure, ids, openHouse, tokens } from './score-house.ts'

const idOf = (index: number): string => `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`

/** Files of three each in an analysis; every fourth analysis is not published. */
function shelf(count: number) {
  const metadata = createTestCatalogue()
  metadata.rows.clear()
  const objects: ObjectInfo[] = []
  for (let index = 0; index < count; index++) {
    const objectId = idOf(index)
    const analysisId = `AN-${Math.floor(index / 3)}`
    metadata.rows.set(objectId, { objectId, analysisId, study: 'S', access: 'controlled', fileName: `${index}.bam` })
    objects.push({ objectId, size: index, lastModified: new Date(0) })
  }
  async function* stored(): AsyncGenerator<ObjectInfo> {
    yield* objects
  }
  return { metadata, stored }
}

const analysisNumber = ({ analysisId }: Entity): number => Number(analysisId.slice(3))

suite('objects/listing', (test) => {
  test('each analysis is asked for once, several at a time and never too many; the order is kept', async () => {
    const { metadata, stored } = shelf(900)
    let [running, most] = [0, 0]
    const asked: string[] = []
    const rights: ListingRights = {
      mayReadStudy: async (study) => {
        asked.push(study)
        return true
      },
      async isPublished(entity) {
        asked.push(entity.analysisId)
        most = Math.max(most, ++running)
        // Later ones answer first.
        await wait(analysisNumber(entity) % 2 === 0 ? 3 : 0)
        running--
        return analysisNumber(entity) % 4 !== 3
      },
    }
    const listed = await collect(listVisibleObjects(stored(), metadata, rights))
    assert.equal(
      listed.map(({ objectId }) => objectId),
      Array.from({ length: 900 }, (_, index) => index)
        .filter((index) => Math.floor(index / 3) % 4 !== 3)
        .map(idOf),
    )
    assert.is(asked.length, 301)
    assert.is(new Set(asked).size, 301)
    assert.is(most, 8)
  })

  test('an analysis that cannot be asked for ends the list where it stands', async () => {
    const { metadata, stored } = shelf(30)
    const rights: ListingRights = {
      mayReadStudy: async () => true,
      async isPublished(entity) {
        if (analysisNumber(entity) === 5) throw new ScoreError('unavailable', 'Song is down')
        return true
      },
    }
    const seen: string[] = []
    const reading = (async () => {
      for await (const { objectId } of listVisibleObjects(stored(), metadata, rights)) seen.push(objectId)
    })()
    assert.is((await failure(reading)).code, 'unavailable')
    assert.is(seen.length, 15)
  })

  test('a reader who has had enough ends it, and nothing is left unheard', async () => {
    const { metadata, stored } = shelf(600)
    const rights: ListingRights = {
      mayReadStudy: async () => true,
      async isPublished(entity) {
        await wait(1)
        if (analysisNumber(entity) > 20) throw new ScoreError('unavailable', 'Song is down')
        return true
      },
    }
    for await (const { objectId } of listVisibleObjects(stored(), metadata, rights)) {
      assert.is(objectId, idOf(0))
      break
    }
    await wait(20)
  })

  test('a download asks for the record once and for the state once, whoever asks', async () => {
    const house = await openHouse()
    await house.upload(ids.a, bytes(25))
    await house.upload(ids.open, bytes(25))
    house.catalogue.states.set('AN-1', 'PUBLISHED')
    for (const [token, objectId] of [
      [tokens.system, ids.a],
      [tokens.reader, ids.a],
      [undefined, ids.open],
    ] as const) {
      house.catalogue.calls.length = 0
      await house.service.as(token).downloadSpec({ objectId })
      assert.equal(house.catalogue.calls, [`entity ${objectId}`, 'analysis AN-1'])
      house.catalogue.calls.length = 0
      await house.service.as(token).objectUrl(objectId)
      assert.equal(house.catalogue.calls, [`entity ${objectId}`, 'analysis AN-1'])
    }
  })
})
