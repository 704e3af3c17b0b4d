import { resolve } from 'node:path'
import type { DownloadManifestRow, ManifestText, UploadManifestRow } from '../../src/index.ts'
import type { CommandContext } from './context.ts'
import { isScoreErrorLike } from './error-report.ts'
import { refusal } from './refusal.ts'
import type { Session } from './session.ts'

/** A file to upload under the id that it was given. */
export interface UploadRow {
  readonly objectId: string
  readonly path: string
  /** Empty when the manifest does not say. */
  readonly md5: string
}

/** A manifest that cannot be used is told without the frame of a bad parameter. */
async function framed<Result>(work: () => Promise<Result> | Result): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    if (!isScoreErrorLike(error)) throw error
    throw Object.assign(refusal(error.message, { frame: 'plain', code: error.code }), { cause: error })
  }
}

/** The text of a manifest named by id, URL or path. @throws a refusal naming it. */
export async function readManifestText(
  text: string,
  session: Pick<Session, 'config' | 'reach'>,
  context: CommandContext,
): Promise<ManifestText> {
  const { manifestResource, readManifest } = await import('../../src/index.ts')
  return framed(() =>
    readManifest(manifestResource(text), {
      portalUrl: session.config.text('portal.url'),
      cwd: context.cwd,
      fetch: session.reach.fetch,
      signal: context.signal,
    }),
  )
}

function requireRows<Row>(rows: readonly Row[], manifest: string): readonly Row[] {
  if (rows.length === 0) throw refusal(`Manifest '${manifest}' is empty`, { frame: 'plain', code: 'invalid-format' })
  return rows
}

/** What an upload manifest lists. Relative paths start where the command runs. */
export async function readUploadRows(manifest: string, session: Session, context: CommandContext): Promise<readonly UploadRow[]> {
  const { parseUploadManifest } = await import('../../src/index.ts')
  const { name, text } = await readManifestText(manifest, session, context)
  const rows = await framed((): UploadManifestRow[] => parseUploadManifest(text, { name, strict: context.strict }))
  return requireRows(rows, manifest).map(({ objectId, path, md5 }) => ({ objectId, path: resolve(context.cwd, path), md5 }))
}

/** The object ids of a download manifest; with `indexes`, those of index files that it names too. */
export async function readDownloadIds(
  manifest: string,
  session: Session,
  context: CommandContext,
  { indexes = false }: { readonly indexes?: boolean } = {},
): Promise<readonly string[]> {
  const { manifestResource, parseDownloadManifest } = await import('../../src/index.ts')
  if (manifestResource(manifest).kind === 'path' && manifest.includes('.xml'))
    throw refusal(
      `Manifest '${manifest}' looks like a GNOS-format manifest file. Please ensure you are using a tab-delimited text file manifest`,
      { frame: 'plain', code: 'invalid-format' },
    )
  const { name, text } = await readManifestText(manifest, session, context)
  const rows = await framed((): DownloadManifestRow[] => parseDownloadManifest(text, { name, strict: context.strict }))
  return requireRows(rows, manifest).flatMap(({ objectId, indexObjectId }) => {
    return indexes && indexObjectId !== undefined ? [objectId, indexObjectId] : [objectId]
  })
}
