import type { CallOptions } from '../core/call-options.ts'
import { normalizeMd5 } from '../core/checksum.ts'
import type { Analysis, AnalysisRegistry } from './analysis-registry.ts'
import type { AnalysisState } from './metadata-service.ts'

export interface FindAnalysisRequest {
  readonly registry: Pick<AnalysisRegistry, 'analyses'>
  readonly study: string
  readonly state: AnalysisState
  readonly files: readonly { readonly name: string; readonly md5: string }[]
}

function fingerprint(files: readonly { readonly name: string; readonly md5: string }[]): string {
  return files
    .map((file) => `${normalizeMd5(file.md5) ?? file.md5} ${file.name}`)
    .sort()
    .join('\n')
}

/** The analysis of a study that holds exactly these names and MD5s and is in this state; `undefined` when there is none. */
export async function findAnalysis(request: FindAnalysisRequest, options: CallOptions = {}): Promise<Analysis | undefined> {
  const wanted = fingerprint(request.files)
  const analyses = await request.registry.analyses(request.study, request.state, options)
  return analyses.find((analysis) => fingerprint(analysis.files.map((file) => ({ name: file.fileName, md5: file.md5 }))) === wanted)
}
