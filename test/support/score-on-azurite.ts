import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createScoreServer } from '../../adapters/server/index.ts'
import {
  type Catalogue,
  createObjectLayout,
  createObjectStates,
  createRetryingBackend,
  createScoreService,
  createStaticTokenVerifier,
  createStudyAuthorizer,
  openCatalogue,
} from '../../src/index.ts'
import { type Azurite, startAzurite } from './azurite.ts'

export const azureToken = 'token-of-the-azure-tests-0123456789'
const study = 'DEMO'

/** A service as the profile `azure` lays it out, served on a free port: objects and state in one container, parts of some bytes. */
export interface ScoreOnAzurite {
  readonly url: string
  readonly azurite: Azurite
  readonly catalogue: Catalogue
  readonly partBytes: number
  register(file: { readonly size: number; readonly md5: string; readonly access: 'open' | 'controlled' }): Promise<string>
  publish(objectId: string): Promise<void>
  unpublish(objectId: string): Promise<void>
  /** With the token. */
  call(path: string, init?: RequestInit): Promise<Response>
  close(): Promise<void>
}

export async function serveOnAzurite(): Promise<ScoreOnAzurite> {
  const partBytes = 1000
  const azurite = await startAzurite()
  const folder = await mkdtemp(join(tmpdir(), 'score-azure-'))
  const backend = createRetryingBackend(azurite.backend())
  const layout = createObjectLayout({ objectBucket: 'data', stateBucket: 'data', dataDirectory: '' })
  const catalogue = await openCatalogue({ folder, objectState: createObjectStates({ backend, layout }) })
  await catalogue.ensureStudy(study)
  await backend.put(layout.sentinel, new Uint8Array(0))
  const authorizer = createStudyAuthorizer({ verifier: createStaticTokenVerifier({ token: azureToken }), metadata: catalogue })
  const partPlan = { floorBytes: partBytes, partSizeBytes: partBytes }
  const service = createScoreService({ backend, layout, metadata: catalogue, authorizer, partPlan })
  const server = createScoreServer(() => ({ service, catalogue, authorizer }), { port: 0 })
  const { url } = await server.listen()
  const analysisOf = async (objectId: string): Promise<string> => (await catalogue.entity(objectId)).analysisId
  let count = 0
  return {
    url,
    azurite,
    catalogue,
    partBytes,
    async register({ size, md5, access }) {
      const fileName = `file-${++count}.bam`
      const file = { fileName, fileSize: size, fileMd5sum: md5, fileType: 'BAM', fileAccess: access, dataType: 'test' }
      const payload = { studyId: study, analysisType: { name: 'fileSet' }, files: [file] }
      const { analysisId } = await catalogue.submit(study, payload, { allowDuplicates: true })
      const [registered] = await catalogue.files(study, analysisId)
      if (!registered) throw new Error('the analysis has no file')
      return registered.objectId
    },
    publish: async (objectId) => catalogue.publish(study, await analysisOf(objectId)),
    unpublish: async (objectId) => catalogue.unpublish(study, await analysisOf(objectId)),
    call: (path, init = {}) => fetch(`${url}${path}`, { ...init, headers: { authorization: `Bearer ${azureToken}` } }),
    async close() {
      await server.close({ deadlineSeconds: 1 })
      await service.settle()
      await catalogue.close()
      await azurite.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
