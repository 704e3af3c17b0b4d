import { isScoreError, type ProblemCode, ScoreError } from '../core/errors.ts'

interface SongErrorTraits {
  readonly status: number
  readonly code: ProblemCode
}

/** Song's error ids that this package raises or explains (song.md 5), with the status and the code each stands for. */
export const songErrors = {
  'malformed.parameter': { status: 400, code: 'invalid-request' },
  'schema.violation': { status: 400, code: 'invalid-request' },
  'entity.not.related.to.study': { status: 400, code: 'analysis-not-found' },
  'suppressed.state.transition': { status: 400, code: 'analysis-state' },
  'invalid.file.update.request': { status: 400, code: 'invalid-request' },
  'illegal.file.update.request': { status: 400, code: 'analysis-state' },
  'illegal.query.parameter': { status: 400, code: 'invalid-request' },
  'illegal.filter.parameter': { status: 400, code: 'invalid-request' },
  'malformed.json.schema': { status: 400, code: 'invalid-request' },
  'illegal.analysis.type.name': { status: 400, code: 'invalid-request' },
  'study.id.does.not.exist': { status: 404, code: 'analysis-not-found' },
  'analysis.id.not.found': { status: 404, code: 'analysis-not-found' },
  'file.not.found': { status: 404, code: 'entity-not-found' },
  'legacy.entity.not.found': { status: 404, code: 'entity-not-found' },
  'analysis.type.not.found': { status: 404, code: 'invalid-request' },
  'study.id.mismatch': { status: 409, code: 'invalid-request' },
  'study.already.exists': { status: 409, code: 'catalogue-conflict' },
  'info.already.exists': { status: 409, code: 'catalogue-conflict' },
  'analysis.type.incorrect.version': { status: 409, code: 'catalogue-conflict' },
  'mismatching.storage.object.sizes': { status: 409, code: 'catalogue-conflict' },
  'mismatching.storage.object.checksums': { status: 409, code: 'catalogue-conflict' },
  'missing.storage.objects': { status: 409, code: 'catalogue-conflict' },
  'payload.parsing': { status: 422, code: 'invalid-request' },
  'storage.service.error': { status: 502, code: 'unavailable' },
  'invalid.storage.download.response': { status: 500, code: 'unavailable' },
} as const satisfies Record<string, SongErrorTraits>

export type SongErrorId = keyof typeof songErrors

interface SongCause {
  readonly errorId: SongErrorId
}

/** An error of the catalogue that remembers which of Song's it is; read it back with {@link songErrorId}. */
export function songError(errorId: SongErrorId, message: string): ScoreError {
  const cause: SongCause = { errorId }
  return new ScoreError(songErrors[errorId].code, message, { cause })
}

export function isSongErrorId(text: unknown): text is SongErrorId {
  return typeof text === 'string' && Object.hasOwn(songErrors, text)
}

/** Which of Song's errors this is; `undefined` when it did not come from a catalogue. */
export function songErrorId(error: unknown): SongErrorId | undefined {
  if (!isScoreError(error) || typeof error.cause !== 'object' || error.cause === null || !('errorId' in error.cause)) return undefined
  return isSongErrorId(error.cause.errorId) ? error.cause.errorId : undefined
}
