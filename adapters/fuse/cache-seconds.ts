import { ScoreError } from '../../src/index.ts'
import type { MountRequest } from './fuse-driver.ts'

function wholeSeconds(value: number, what: string): number {
  if (Number.isInteger(value) && value >= 0 && value <= 86_400) return value
  throw new ScoreError('invalid-configuration', `${what} is a whole number of seconds up to a day, not ${value}`)
}

/** How long the kernel may keep what it is told, in seconds. */
export interface CacheSeconds {
  readonly attributes: number
  readonly negative: number
}

/** @throws `invalid-configuration` for numbers that are no such time. */
export function cacheSecondsOf({ attributeSeconds = 60, negativeSeconds = 5 }: MountRequest): CacheSeconds {
  return { attributes: wholeSeconds(attributeSeconds, 'attributeSeconds'), negative: wholeSeconds(negativeSeconds, 'negativeSeconds') }
}
