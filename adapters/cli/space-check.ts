import { stat, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { CallOptions, ScoreApi } from '../../src/index.ts'
import type { DownloadTarget } from './download-plan.ts'
import { formatBytes } from './format.ts'
import { refusal } from './refusal.ts'

export interface SpaceCheck {
  readonly api: Pick<ScoreApi, 'downloadSpec'>
  /** Only those that are to be fetched. */
  readonly targets: readonly DownloadTarget[]
  readonly range?: { readonly start: number; readonly end?: number }
  readonly directory: string
  /** Name of a file while it grows. */
  readonly workName: (target: DownloadTarget) => string
}

/** Failures of one object among several: its own transfer tells them, and the others go on. */
const ofOneObject = ['object-not-found', 'entity-not-found', 'analysis-state', 'access-denied', 'invalid-range'] as const

/** Bytes that an unfinished download has on the disk already. */
async function allocated(path: string): Promise<number> {
  const found = await stat(path).catch(() => undefined)
  return found?.isFile() ? found.blocks * 512 : 0
}

/**
 * What is still to be written must fit on the disk: files that are there and parts already fetched need no more room.
 *
 * @throws a refusal with both numbers.
 */
export async function requireSpace(check: SpaceCheck, options: CallOptions = {}): Promise<void> {
  const { isScoreError, runPool } = await import('../../src/index.ts')
  let needed = 0
  await runPool(
    check.targets,
    async (target, { signal }) => {
      const { objectId, path } = target
      try {
        const { size } = await check.api.downloadSpec({ objectId, ...(check.range ? { range: check.range } : {}) }, { signal })
        needed += Math.max(0, size - (await allocated(join(dirname(path), check.workName(target)))))
      } catch (error) {
        if (check.targets.length === 1 || !isScoreError(error, ...ofOneObject)) throw error
      }
    },
    { concurrency: 6, ...options },
  )
  const { bavail, bsize } = await statfs(check.directory)
  const available = bavail * bsize
  if (needed > available)
    throw refusal(`Insufficient space to download requested files: Require ${formatBytes(needed)}. ${formatBytes(available)} Available`, {
      code: 'local-storage',
    })
}
