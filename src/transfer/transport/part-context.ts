import type { Md5Engine } from '../../hash/md5-engine.ts'
import type { Connections } from './connections.ts'
import type { Patience } from './exchange.ts'
import type { OpenFiles } from './open-files.ts'
import type { RateLimit } from './rate-limit.ts'

/** What the parts of one thread share. */
export interface PartContext {
  readonly connections: Connections
  readonly files: OpenFiles
  readonly md5: Md5Engine
  readonly patience: Patience
  readonly rateLimit?: RateLimit
  readonly userAgent?: string
}

/** How one attempt at a part is made. */
export interface AttemptOptions {
  readonly signal: AbortSignal | undefined
  readonly onBytes: (count: number) => void
}
