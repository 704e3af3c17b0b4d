import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createScoreServer, type ScoreServerOptions } from '../../adapters/server/index.ts'
import { type EmbeddedOptions, type EmbeddedScore, openEmbeddedScore } from '../../src/index.ts'

/** The whole system on a folder of its own, served on a free port. */
export interface ServedFolder {
  readonly url: string
  readonly dataDir: string
  readonly score: EmbeddedScore
  /** Registers one file in an analysis of its own. @returns its object id. */
  register(file: { readonly size: number; readonly md5: string; readonly access: 'open' | 'controlled' }): Promise<string>
  publish(objectId: string): Promise<void>
  unpublish(objectId: string): Promise<void>
  close(): Promise<void>
}

export const study = 'DEMO'

export async function serveFolder(
  options: { readonly embedded?: Partial<EmbeddedOptions>; readonly server?: ScoreServerOptions } = {},
): Promise<ServedFolder> {
  const dataDir = await mkdtemp(join(tmpdir(), 'score-data-'))
  const server = createScoreServer(
    (publicUrl) =>
      openEmbeddedScore({ dataDir, publicUrl, durable: false, partPlan: { floorBytes: 1000, partSizeBytes: 1000 }, ...options.embedded }),
    { port: 0, ...options.server },
  )
  const { url, score } = await server.listen()
  const { catalogue } = score
  await catalogue.ensureStudy(study)
  let count = 0
  const analysisOf = async (objectId: string): Promise<string> => (await catalogue.entity(objectId)).analysisId
  return {
    url,
    dataDir,
    score,
    async register({ size, md5, access }) {
      const fileName = `file-${++count}.bam`
      const file = { fileName, fileSize: size, fileMd5sum: md5, fileType: 'BAM', fileAccess: access, dataType: 'test' }
      const { analysisId } = await catalogue.submit(
        study,
        { studyId: study, analysisType: { name: 'fileSet' }, files: [file] },
        { allowDuplicates: true },
      )
      const [registered] = await catalogue.files(study, analysisId)
      if (!registered) throw new Error('the analysis has no file')
      return registered.objectId
    },
    publish: async (objectId) => catalogue.publish(study, await analysisOf(objectId)),
    unpublish: async (objectId) => catalogue.unpublish(study, await analysisOf(objectId)),
    async close() {
      await server.close({ deadlineSeconds: 1 })
      await score.close()
      await rm(dataDir, { recursive: true })
    },
  }
}
