import { friendlyTexts } from './argv-texts.ts'
import { checkValue } from './option-value.ts'

/** An object id that stands by itself on the command line. @throws a refusal when it is no UUID. */
export function requireObjectIdArgument(text: string | undefined): string {
  return checkValue({ kind: 'object-id', text: '' }, 'OBJECT-ID', text ?? '', { texts: friendlyTexts, strict: false, cwd: '' })
}
