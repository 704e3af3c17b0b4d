import assert from 'node:assert/strict'
import type { RegisteredFile } from '../metadata/analysis-registry.ts'
import type { CaseDefinition } from './contract-case.ts'
import { freshMd5, type MetadataBench, refuses } from './metadata-subject.ts'

type MetadataCase = CaseDefinition<MetadataBench>

/** What publication asks of the store, and which states follow which. */
export const metadataStateCases: readonly MetadataCase[] = [
  {
    name: 'an analysis is published once every object is stored as registered, and again',
    async check({ catalogue, submitted, store, storeAll }) {
      const { study, analysisId, files } = await submitted(['a.bam', 'b.bam'])
      const [first, second] = files as [RegisteredFile, RegisteredFile]
      const publish = (): Promise<void> => catalogue.publish(study, analysisId)
      await refuses(publish(), 'catalogue-conflict', 'missing.storage.objects')
      storeAll([first])
      await refuses(publish(), 'catalogue-conflict', 'missing.storage.objects')
      storeAll(files)
      store(second.objectId, { exists: true, size: 7, md5: second.md5 })
      await refuses(publish(), 'catalogue-conflict', 'mismatching.storage.object.sizes')
      store(second.objectId, { exists: true, size: second.size, md5: freshMd5() })
      await refuses(publish(), 'catalogue-conflict', 'mismatching.storage.object.checksums')
      assert.equal(await catalogue.analysisState({ study, analysisId }), 'UNPUBLISHED')
      storeAll(files)
      await publish()
      assert.equal(await catalogue.analysisState({ study, analysisId }), 'PUBLISHED')
      await publish()
      assert.equal((await catalogue.analysis(study, analysisId)).state, 'PUBLISHED')
    },
  },
  {
    name: 'an entity is told with the state of its analysis as it is now, where both are told at once',
    async check({ catalogue, submitted, storeAll }) {
      if (catalogue.entityWithState === undefined) return
      const { study, analysisId, files } = await submitted(['a.bam'])
      const { objectId } = files[0] as RegisteredFile
      const entity = await catalogue.entity(objectId)
      assert.deepEqual(await catalogue.entityWithState(objectId), { entity, state: 'UNPUBLISHED' })
      storeAll(files)
      await catalogue.publish(study, analysisId)
      assert.deepEqual(await catalogue.entityWithState(objectId), { entity, state: 'PUBLISHED' })
      await refuses(catalogue.entityWithState(objectId.toUpperCase()), 'entity-not-found', 'legacy.entity.not.found')
    },
  },
  {
    name: 'a refused publication names the objects that are missing',
    async check({ catalogue, submitted }) {
      const { study, analysisId, files } = await submitted(['a.bam'])
      const [file] = files as [RegisteredFile]
      await refuses(catalogue.publish(study, analysisId), 'catalogue-conflict', 'missing.storage.objects', new RegExp(file.objectId))
    },
  },
  {
    name: 'an object whose MD5 the store does not know is published when that is allowed, one with a wrong MD5 never',
    async check({ catalogue, submitted, store }) {
      const { study, analysisId, files } = await submitted(['a.bam'])
      const [{ objectId, size }] = files as [RegisteredFile]
      const publishAnyway = (): Promise<void> => catalogue.publish(study, analysisId, { ignoreUndefinedMd5: true })
      store(objectId, { exists: true, size })
      await refuses(catalogue.publish(study, analysisId), 'catalogue-conflict', 'mismatching.storage.object.checksums')
      store(objectId, { exists: true, size, md5: freshMd5() })
      await refuses(publishAnyway(), 'catalogue-conflict', 'mismatching.storage.object.checksums')
      store(objectId, { exists: true, size })
      await publishAnyway()
      assert.equal(await catalogue.analysisState({ study, analysisId }), 'PUBLISHED')
    },
  },
  {
    name: 'nothing is published while an upload of it is open',
    async check({ catalogue, submitted, store }) {
      const { study, analysisId, files } = await submitted(['a.bam'])
      const [{ objectId, size, md5 }] = files as [RegisteredFile]
      store(objectId, { exists: true, size, md5, uploadOpen: true })
      await refuses(catalogue.publish(study, analysisId), 'catalogue-conflict', 'missing.storage.objects', /upload is open/)
    },
  },
  {
    name: 'published, unpublished, published, suppressed',
    async check({ catalogue, submitted, storeAll, list }) {
      const { study, analysisId, files } = await submitted(['a.bam'])
      const state = (): Promise<string> => catalogue.analysisState({ study, analysisId })
      storeAll(files)
      const steps = [
        ['unpublish', 'UNPUBLISHED'],
        ['publish', 'PUBLISHED'],
        ['unpublish', 'UNPUBLISHED'],
        ['publish', 'PUBLISHED'],
        ['suppress', 'SUPPRESSED'],
        ['suppress', 'SUPPRESSED'],
      ] as const
      for (const [move, then] of steps) {
        await catalogue[move](study, analysisId)
        assert.equal(await state(), then)
      }
      await refuses(catalogue.unpublish(study, analysisId), 'analysis-state', 'suppressed.state.transition')
      assert.equal(await state(), 'SUPPRESSED')
      assert.equal((await list({ analysisId })).length, 1)
    },
  },
  {
    name: 'what was never published can be suppressed',
    async check({ catalogue, submitted }) {
      const { study, analysisId } = await submitted(['a.bam'])
      await catalogue.suppress(study, analysisId)
      assert.equal(await catalogue.analysisState({ study, analysisId }), 'SUPPRESSED')
    },
  },
  {
    name: 'what is suppressed is never published again',
    async check({ catalogue, submitted, storeAll }) {
      const { study, analysisId, files } = await submitted(['a.bam'])
      storeAll(files)
      await catalogue.suppress(study, analysisId)
      await refuses(catalogue.publish(study, analysisId), 'analysis-state', 'suppressed.state.transition')
      assert.equal(await catalogue.analysisState({ study, analysisId }), 'SUPPRESSED')
    },
  },
]
