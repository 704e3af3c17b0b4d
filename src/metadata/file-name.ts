import { ScoreError } from '../core/errors.ts'

/** What a catalogue takes as a file name (song.md 1.6). */
export const fileNamePattern = '^[A-Za-z0-9_.\\-\\[\\]()]+$'

const pattern = new RegExp(fileNamePattern)

export const fileNameRule =
  'a file name in the catalogue may hold letters, digits and _ . - [ ] ( ) only: no blank, slash, plus, colon or accent; rename the file'

/** @throws `invalid-request` naming the file, the characters at fault and the rule. */
export function requireFileName(name: string): string {
  if (pattern.test(name) && name !== '.' && name !== '..') return name
  const wrong = [...new Set([...name].filter((character) => !pattern.test(character)))].map((character) => `'${character}'`)
  throw new ScoreError(
    'invalid-request',
    `'${name}' cannot be registered${wrong.length > 0 ? ` (${wrong.join(' ')})` : ''}: ${fileNameRule}`,
  )
}
