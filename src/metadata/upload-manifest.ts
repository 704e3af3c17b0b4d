import { ScoreError } from '../core/errors.ts'

export interface UploadManifestEntry {
  readonly objectId: string
  /** Where the file lies; absolute, so that the manifest works from any folder. */
  readonly path: string
  readonly md5: string
}

/**
 * The upload manifest as Song's client writes it (song.md 6.1): the analysis id and two tabs, then object id, path and
 * MD5 per file; a line feed ends every line and no blank line follows.
 *
 * @throws `invalid-request` for a path that holds a tab or a line break, which the format cannot carry.
 */
export function formatUploadManifest(analysisId: string, entries: readonly UploadManifestEntry[]): string {
  const rows = entries.map(({ objectId, path, md5 }) => {
    if (/[\t\r\n]/.test(path))
      throw new ScoreError(
        'invalid-request',
        `the path '${path}' holds a tab or a line break, which a manifest cannot carry; rename the file`,
      )
    return `${objectId}\t${path}\t${md5}\n`
  })
  return [`${analysisId}\t\t\n`, ...rows].join('')
}
