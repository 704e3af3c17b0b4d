import type { CallOptions } from '../core/call-options.ts'
import { normalizeMd5 } from '../core/checksum.ts'
import type { Analysis, AnalysisRegistry } from './analysis-registry.ts'

export interface FindUnpublishedRequest {
  readonly registry: Pick<AnalysisRegistry, 'unpublishedAnalyses'>
  readonly study: string
  readonly files: readonly { readonly name: string; readonly md5: string }[]
}

function fingerprint(files: readonly { readonly name: string; readonly md5: string }[]): string {
  return files
    .map((file) => `${normalizeMd5(file.md5) ?? file.md5} ${file.name}`)
    .sort()
    .join('\n')
}

/** The analysis of a study that holds exactly these names and MD5s and waits to be published; `undefined` when there is none. */
export async function findUnpublished(request: FindUnpublishedRequest, options: CallOptions = {}): Promise<Analysis | undefined> {
  const wanted = fingerprint(request.files)
  const waiting = await request.registry.unpublishedAnalyses(request.study, options)
  return waiting.find((analysis) => fingerprint(analysis.files.map((file) => ({ name: file.fileName, md5: file.md5 }))) === wanted)
}
