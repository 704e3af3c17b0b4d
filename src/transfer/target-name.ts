import { ScoreError } from '../core/errors.ts'

const reserved = /^(con|prn|aux|nul|com[1-9]|lpt[1-9])(\.|$)/i
const ownState = /^\.[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/i
const mostBytes = 255

function objection(name: string): string | undefined {
  if (name === '') return 'it is empty'
  if (name === '.' || name === '..') return 'it names a folder above or the folder itself'
  if (/[/\\]/.test(name)) return 'it holds a path separator'
  if ([...name].some((char) => char < ' ' || char === '\u007f')) return 'it holds a control character'
  if (reserved.test(name)) return 'it is the name of a device on some systems'
  if (ownState.test(name)) return 'such names hold the state of transfers'
  if (Buffer.byteLength(name) > mostBytes) return `it is longer than ${mostBytes} bytes`
  return undefined
}

/**
 * A name from the catalogue, made sure of before it becomes a file or a folder: one path segment that stays in its folder.
 * Nothing is replaced, for two names could become one.
 *
 * @param entity what the name belongs to, for the message: `object 5be5…`
 * @throws `invalid-request` naming the entity, the name and the rule.
 */
export function safeFileName(name: string, entity: string): string {
  const reason = objection(name)
  if (reason === undefined) return name
  throw new ScoreError(
    'invalid-request',
    `the catalogue calls ${entity} ${JSON.stringify(name)}, which cannot be a file name here: ${reason}. Download it under its object id (--output-layout id)`,
  )
}
