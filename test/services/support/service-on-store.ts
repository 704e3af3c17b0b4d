import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createStaticTokenVerifier } from '../../../src/auth/static-token-verifier.ts'
import { createStudyAuthorizer } from '../../../src/auth/study-authorizer.ts'
import { openCatalogue } from '../../../src/metadata/catalogue/open-catalogue.ts'
import { createObjectStates } from '../../../src/objects/object-states.ts'
import { createScoreService } from '../../../src/objects/score-service.ts'
import { createObjectLayout, type ObjectLayout } from '../../../src/storage/object-layout.ts'
import { createRetryingBackend, type RetryingBackendOptions } from '../../../src/storage/retrying-backend.ts'
import type { StorageBackend } from '../../../src/storage/storage-backend.ts'
import type { ScoreSubject } from '../../../src/testing.ts'

const study = 'DEMO'
const token = 'token-of-the-services-suite-0123456789'
const defaultPartBytes = 5 * 1024 ** 2

export type ServiceOnStore = ScoreSubject & { readonly layout: ObjectLayout; settle(): Promise<void>; close(): Promise<void> }

/** The service on a real store, with the embedded catalogue in a folder of its own. */
export async function openServiceOnStore(store: {
  readonly backend: StorageBackend
  readonly objectBucket: string
  readonly stateBucket: string
  /** How the service repeats what the store could not do. */
  readonly retry?: RetryingBackendOptions
  /** Default 5 MiB. */
  readonly partBytes?: number
}): Promise<ServiceOnStore> {
  const { partBytes = defaultPartBytes } = store
  const backend = createRetryingBackend(store.backend, store.retry)
  const layout = createObjectLayout(store)
  const folder = await mkdtemp(join(tmpdir(), 'score-catalogue-'))
  const catalogue = await openCatalogue({ folder, objectState: createObjectStates({ backend, layout }) })
  await catalogue.ensureStudy(study)
  await backend.put(layout.sentinel, new Uint8Array(0))
  const authorizer = createStudyAuthorizer({ verifier: createStaticTokenVerifier({ token }), metadata: catalogue })
  const partPlan = { floorBytes: partBytes, partSizeBytes: partBytes }
  const service = createScoreService({ backend, layout, metadata: catalogue, authorizer, partPlan })
  const analysisOf = async (objectId: string): Promise<string> => (await catalogue.entity(objectId)).analysisId
  let count = 0
  return {
    api: service.as(token),
    anonymous: service.as(undefined),
    layout,
    partBytes,
    async register({ size, md5, access }) {
      const file = {
        fileName: `file-${++count}.bam`,
        fileSize: size,
        fileMd5sum: md5,
        fileType: 'BAM',
        fileAccess: access,
        dataType: 'test',
      }
      const payload = { studyId: study, analysisType: { name: 'fileSet' }, files: [file] }
      const { analysisId } = await catalogue.submit(study, payload, { allowDuplicates: true })
      const [registered] = await catalogue.files(study, analysisId)
      if (!registered) throw new Error('the analysis has no file')
      return registered.objectId
    },
    publish: async (objectId) => catalogue.publish(study, await analysisOf(objectId)),
    unpublish: async (objectId) => catalogue.unpublish(study, await analysisOf(objectId)),
    settle: service.settle,
    async close() {
      await service.settle()
      await catalogue.close()
      await rm(folder, { recursive: true })
    },
  }
}
