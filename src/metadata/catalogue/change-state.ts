import type { CallOptions } from '../../core/call-options.ts'
import { normalizeMd5 } from '../../core/checksum.ts'
import { runPool } from '../../core/pool.ts'
import type { PublishOptions } from '../analysis-registry.ts'
import type { AnalysisState } from '../metadata-service.ts'
import { songError } from '../song-error.ts'
import type { StoredObjectState } from './catalogue.ts'
import { type FileDocument, songTime } from './catalogue-event.ts'
import type { AnalysisRecord } from './catalogue-index.ts'
import { asEvent, type CatalogueStore, filesOf, requireAnalysis } from './catalogue-store.ts'

function refuseSuppressed(record: AnalysisRecord): void {
  if (record.state === 'SUPPRESSED')
    throw songError(
      'suppressed.state.transition',
      `analysis ${record.analysisId} is suppressed, which is final; register its files again to publish them`,
    )
}

function named(files: readonly FileDocument[]): string {
  return files.map((file) => `${file.objectId} (${file.fileName})`).join(', ')
}

type Described = { readonly file: FileDocument; readonly state: StoredObjectState }

async function describeAll(store: CatalogueStore, files: readonly FileDocument[], options: CallOptions): Promise<Described[]> {
  const states = new Map<string, StoredObjectState>()
  await runPool(
    files,
    async (file, poolOptions) => {
      states.set(file.objectId, await store.objectState.describe(file.objectId, poolOptions))
    },
    { ...options, concurrency: 8 },
  )
  return files.map((file) => ({ file, state: states.get(file.objectId) as StoredObjectState }))
}

/** Song's order: all that is missing first, then sizes, then MD5s (song.md 3.1); before them, uploads still open. */
function compare(analysisId: string, described: readonly Described[], ignoreUndefinedMd5: boolean): void {
  const pick = (wrong: (entry: Described) => boolean): FileDocument[] => described.filter(wrong).map((entry) => entry.file)
  const open = pick(({ state }) => state.uploadOpen === true)
  if (open.length > 0)
    throw songError(
      'missing.storage.objects',
      `analysis ${analysisId} cannot be published while an upload is open: ${named(open)}; finish or cancel it first`,
    )
  const missing = pick(({ state }) => !state.exists)
  if (missing.length > 0)
    throw songError(
      'missing.storage.objects',
      `analysis ${analysisId} cannot be published: these objects must be uploaded first: ${named(missing)}`,
    )
  const sizes = described.filter(({ file, state }) => state.size !== file.fileSize)
  if (sizes.length > 0) {
    const list = sizes.map(
      ({ file, state }) => `${file.objectId} (${file.fileName}) has ${state.size ?? 'unknown'} bytes, registered are ${file.fileSize}`,
    )
    throw songError('mismatching.storage.object.sizes', `analysis ${analysisId} cannot be published: ${list.join('; ')}`)
  }
  const wrong = described.filter(({ file, state }) => {
    const stored = normalizeMd5(state.md5)
    return stored === undefined ? !ignoreUndefinedMd5 : stored !== file.fileMd5sum
  })
  if (wrong.length > 0) {
    const list = wrong.map(
      ({ file, state }) => `${file.objectId} (${file.fileName}) has MD5 ${state.md5 ?? 'unknown'}, registered is ${file.fileMd5sum}`,
    )
    throw songError('mismatching.storage.object.checksums', `analysis ${analysisId} cannot be published: ${list.join('; ')}`)
  }
}

export interface ChangeState {
  publish(study: string, analysisId: string, options?: PublishOptions): Promise<void>
  unpublish(study: string, analysisId: string, options?: CallOptions): Promise<void>
  suppress(study: string, analysisId: string, options?: CallOptions): Promise<void>
}

function sameFacts(left: readonly FileDocument[], right: readonly FileDocument[]): boolean {
  return left.every((file, index) => file.fileSize === right[index]?.fileSize && file.fileMd5sum === right[index]?.fileMd5sum)
}

/** The state machine of song.md 3, where suppressed is final (Song itself lets it be published). */
export function createChangeState(store: CatalogueStore): ChangeState {
  const move = (study: string, analysisId: string, to: AnalysisState, check: (record: AnalysisRecord) => void, options: CallOptions) =>
    store.log.append(() => {
      const record = requireAnalysis(store.index, study, analysisId)
      check(record)
      return asEvent({ type: 'state', at: songTime(store.now()), analysisId, from: record.state, to })
    }, options)

  return {
    async publish(study, analysisId, options = {}) {
      await store.log.refresh(options)
      const record = requireAnalysis(store.index, study, analysisId)
      refuseSuppressed(record)
      const files = filesOf(store.index, record).map((entry) => entry.file)
      compare(analysisId, await describeAll(store, files, options), options.ignoreUndefinedMd5 ?? false)
      const recheck = (current: AnalysisRecord): void => {
        refuseSuppressed(current)
        const now = filesOf(store.index, current).map((entry) => entry.file)
        if (!sameFacts(files, now))
          throw songError(
            'mismatching.storage.object.checksums',
            `the files of analysis ${analysisId} were changed while it was being published; publish again`,
          )
      }
      await move(study, analysisId, 'PUBLISHED', recheck, options)
    },
    unpublish: (study, analysisId, options = {}) => move(study, analysisId, 'UNPUBLISHED', refuseSuppressed, options),
    suppress: (study, analysisId, options = {}) => move(study, analysisId, 'SUPPRESSED', () => undefined, options),
  }
}
