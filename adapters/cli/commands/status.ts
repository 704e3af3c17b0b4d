import type { Run } from '../command-run.ts'
import { isScoreErrorLike } from '../error-report.ts'
import { formatBytes, printable } from '../format.ts'
import { requireObjectIdArgument } from '../object-id-argument.ts'
import { openSession, type Session } from '../session.ts'

interface CatalogueView {
  readonly study: string
  readonly analysisId: string
  readonly fileName: string
  readonly access: string
  readonly analysisState: string
  readonly registeredSize?: number
  readonly registeredMd5?: string
}

interface StoreView {
  readonly state: 'stored' | 'uploading' | 'absent'
  readonly size?: number
  readonly md5?: string
  readonly partsHeld?: number
  readonly partsTotal?: number
  readonly uploadId?: string
}

async function catalogueView(session: Session, objectId: string, signal: AbortSignal): Promise<CatalogueView> {
  const catalogue = session.catalogue()
  const entity = await catalogue.entity(objectId, { signal })
  const [analysisState, file] = await Promise.all([catalogue.analysisState(entity, { signal }), catalogue.file(entity, { signal })])
  const { study, analysisId, fileName, access } = entity
  return {
    study,
    analysisId,
    fileName,
    access,
    analysisState,
    ...(file?.size === undefined ? {} : { registeredSize: file.size }),
    ...(file?.md5 === undefined ? {} : { registeredMd5: file.md5 }),
  }
}

async function storeView(session: Session, objectId: string, size: number | undefined, signal: AbortSignal): Promise<StoreView> {
  const api = session.api()
  if (await api.objectExists(objectId, { signal })) {
    const spec = await api.describeObject(objectId, { signal })
    return { state: 'stored', size: spec.size, partsTotal: spec.parts.length, ...(spec.md5 === undefined ? {} : { md5: spec.md5 }) }
  }
  if (size === undefined) return { state: 'absent' }
  try {
    const { parts, uploadId } = await api.resumeUpload({ objectId, size }, { signal })
    return { state: 'uploading', uploadId, partsHeld: parts.filter((part) => part.md5 !== undefined).length, partsTotal: parts.length }
  } catch (error) {
    // No upload in progress is an answer here, and so is one of another size than was registered.
    if (isScoreErrorLike(error) && (error.code === 'upload-not-found' || error.code === 'size-changed')) return { state: 'absent' }
    throw error
  }
}

function describe(store: StoreView): string {
  if (store.state === 'uploading') return `uploading, ${store.partsHeld} of ${store.partsTotal} parts are there`
  if (store.state === 'absent') return 'nothing is uploaded'
  return `stored, ${formatBytes(store.size ?? 0)} (${store.size} bytes)${store.md5 === undefined ? '' : `, MD5 ${store.md5}`}`
}

export const run: Run<'status'> = async (_values, [text], context) => {
  const { output, signal } = context
  const objectId = requireObjectIdArgument(text)
  const session = await openSession(context)
  try {
    const registered = await catalogueView(session, objectId, signal)
    const store = await storeView(session, objectId, registered.registeredSize, signal)
    if (output.json) {
      output.event({ type: 'status', objectId, ...registered, ...store })
      return 0
    }
    const rows = [
      ['Object', objectId],
      ['Name', registered.fileName],
      ['Study', registered.study],
      ['Analysis', `${registered.analysisId}, ${registered.analysisState.toLowerCase()}`],
      ['Access', registered.access],
      ['Bytes', describe(store)],
    ]
    output.data(rows.map(([label, value]) => `${(label as string).padEnd(9)} ${printable(value as string)}\n`).join(''))
    return 0
  } finally {
    await session.close()
  }
}
