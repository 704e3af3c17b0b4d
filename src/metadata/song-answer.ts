import { ScoreError } from '../core/errors.ts'
import { redactUrl } from '../core/redact.ts'
import { answerMessage, type HttpAnswer, isWebPage } from '../http/http-answer.ts'
import { isSongErrorId, type SongErrorId, songError, songErrors } from './song-error.ts'
import { isJsonObject, type JsonObject } from './song-json.ts'

/** What happened and what to do, where Song's own words don't say. */
const explanations: Readonly<Partial<Record<SongErrorId, string>>> = {
  'missing.storage.objects': 'not every file of it is uploaded: upload what is missing, then publish again',
  'mismatching.storage.object.sizes':
    'stored objects have other sizes than registered: upload the right files with --force, then publish again',
  'mismatching.storage.object.checksums':
    'stored objects have other MD5s than registered, or none that the store knows: upload the right files with --force, then publish again',
  'info.already.exists':
    'a file with the same MD5 is registered already, in some study and some state: use that analysis, or allow duplicates if you mean it',
  'analysis.type.incorrect.version': 'the analysis type has a newer version: submit with the latest',
  'suppressed.state.transition': 'a suppressed analysis stays so: submit its files again',
  'study.id.does.not.exist': 'the study does not exist in the catalogue: check its name, or have it created',
  'analysis.id.not.found': 'the catalogue has no such analysis: check the id',
  'entity.not.related.to.study': 'it belongs to another study: check the study and the id',
  'study.id.mismatch': 'the payload names another study: submit it to that one, or correct its studyId',
  'analysis.type.not.found': 'the catalogue has no analysis type of that name: use one of those it has, or have it registered',
  'legacy.entity.not.found': 'the catalogue has no such object: check the id, or register its file first',
  'schema.violation': 'the payload does not satisfy the schema of its analysis type',
  'storage.service.error': 'the catalogue got no usable answer from its Score server: try again later, or tell whoever runs it',
  'invalid.storage.download.response': 'the catalogue cannot read what its Score server says of an object: tell whoever runs it',
}

/** Song's messages begin with a class name in brackets; some Songs forget to fill in theirs. Neither tells people anything. */
function usefulPart(message: string): string {
  return message.includes('%s') ? '' : message.replace(/^\[[^\]\s]+\]\s*-?\s*/, '')
}

function parsed(body: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(body)
    return isJsonObject(value) ? value : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/**
 * A failed answer of Song as the error it stands for: its error id decides, with an explanation before its own words.
 * `undefined` for what is not Song's form.
 */
export function errorOfSongAnswer(answer: HttpAnswer): ScoreError | undefined {
  if (answer.status === 401 || answer.status === 403) return undefined
  const errorId = parsed(answer.body)?.['errorId']
  if (!isSongErrorId(errorId)) return undefined
  const said = usefulPart(answerMessage(answer) ?? '')
  const explained = [explanations[errorId], said].filter((text) => text !== undefined && text !== '')
  const error = songError(errorId, explained.join('; it says: ') || `${redactUrl(answer.url)} was answered with ${errorId}`)
  const { retryAfterSeconds } = answer
  return retryAfterSeconds === undefined || songErrors[errorId].code !== 'unavailable'
    ? error
    : new ScoreError(error.code, error.message, { cause: error.cause, retryAfterSeconds })
}

/** Whether an answer says "there is none": a 404 of a Song of any age, not one of a proxy or of another program's web page. */
export function saysNotFound(answer: HttpAnswer): boolean {
  return answer.status === 404 && !isWebPage(answer.headers, answer.body)
}
