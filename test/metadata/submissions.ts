import * as assert from 'uvu/assert'
import { isScoreError, type ProblemCode } from '../../src/core/errors.ts'
import type { AnalysisPayload } from '../../src/metadata/analysis-registry.ts'
import { type SongErrorId, songErrorId } from '../../src/metadata/song-error.ts'

let counter = 0

export function md5Of(seed: number): string {
  return seed.toString(16).padStart(32, '0')
}

/** A payload of the embedded catalogue's own type, `fileSet`; each file has an MD5 of its own. */
export function payloadOf(
  study: string,
  names: readonly string[],
  extra: AnalysisPayload = {},
): AnalysisPayload & { readonly md5s: readonly string[] } {
  const md5s = names.map(() => md5Of(++counter))
  const files = names.map((fileName, index) => ({
    fileName,
    fileSize: 100 + index,
    fileMd5sum: md5s[index],
    fileType: 'BAM',
    fileAccess: 'controlled',
    dataType: 'Aligned Reads',
  }))
  const payload = { studyId: study, analysisType: { name: 'fileSet' }, files, ...extra }
  return Object.defineProperty(payload, 'md5s', { value: md5s }) as typeof payload & { readonly md5s: readonly string[] }
}

/** Fails unless `work` rejects with this code and, where given, with this of Song's errors. */
export async function rejects(work: Promise<unknown>, code: ProblemCode, errorId?: SongErrorId, text?: RegExp): Promise<void> {
  try {
    await work
  } catch (error) {
    assert.ok(isScoreError(error), `not a ScoreError: ${error instanceof Error ? error.stack : String(error)}`)
    assert.is(error.code, code, error.message)
    if (errorId !== undefined) assert.is(songErrorId(error), errorId, error.message)
    if (text !== undefined) assert.match(error.message, text)
    return
  }
  throw new Error(`resolved, ${code} was expected`)
}
