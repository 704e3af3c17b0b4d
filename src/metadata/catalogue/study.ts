import { songError } from '../song-error.ts'
import { isJsonObject } from '../song-json.ts'
import type { StudyRecord } from './catalogue-event.ts'

/** @throws `invalid-request` naming the rule. */
export function requireStudyName(study: string): void {
  if (/^[^\s/\\?#%]{1,36}$/.test(study) && study !== 'all' && study !== '.' && study !== '..') return
  throw songError(
    'malformed.parameter',
    `'${study}' cannot name a study: it must be 1 to 36 characters without blank, slash, backslash, ? # or %, and not 'all'`,
  )
}

/** A study as it was sent; texts that are missing or empty are left out. */
export function studyRecord(study: string, body: unknown): StudyRecord {
  requireStudyName(study)
  if (!isJsonObject(body)) throw songError('malformed.parameter', '#: the study is not a JSON object')
  if (body['studyId'] !== study)
    throw songError('study.id.mismatch', `#/studyId: says '${String(body['studyId'])}', and was sent to '${study}'`)
  const text = (name: string): Record<string, string> => (typeof body[name] === 'string' && body[name] !== '' ? { [name]: body[name] } : {})
  const info = isJsonObject(body['info']) && Object.keys(body['info']).length > 0 ? { info: body['info'] } : {}
  return { studyId: study, ...text('name'), ...text('organization'), ...text('description'), ...info }
}
