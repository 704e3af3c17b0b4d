import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { LocalFile } from '../../src/index.ts'
import type { CommandContext } from './context.ts'
import { formatBytes, plural } from './format.ts'
import { refusal } from './refusal.ts'
import type { Session } from './session.ts'

async function sizeOf(path: string): Promise<number> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    const why = error.code === 'ENOENT' ? 'does not exist' : `cannot be read (${error.code})`
    throw refusal(`file '${path}' ${why}; check the name`, { code: error.code === 'ENOENT' ? 'invalid-request' : 'local-storage' })
  })
  if (!found.isFile()) throw refusal(`'${path}' is not a regular file; name files`)
  if (found.size === 0) throw refusal(`File '${path}' is empty. Uploads of empty files are not permitted. Aborting...`)
  return found.size
}

/** Tells how far the MD5s are: in place on a terminal, every ten seconds elsewhere. */
function createHashView(total: number, { output, now }: CommandContext): (done: number) => void {
  let told = now()
  return (done) => {
    if (!output.showsProgress) return
    const line = `Computing MD5: ${Math.floor((100 * done) / total)}% of ${formatBytes(total)}`
    if (output.interactive) output.progressLine(line)
    else if (now() - told >= 10_000) {
      told = now()
      output.say(line)
    }
  }
}

const filesAtOnce = 4

/** Files as they are to be registered: absolute paths, sizes, MD5s. All are checked before the first is read. */
export async function describeFiles(paths: readonly string[], session: Session, context: CommandContext): Promise<LocalFile[]> {
  const { runPool } = await import('../../src/index.ts')
  const full = paths.map((path) => resolve(context.cwd, path))
  const sizes = await Promise.all(full.map(sizeOf))
  const total = sizes.reduce((sum, size) => sum + size, 0)
  context.output.say(`Computing MD5 of ${plural(full.length, 'file')}, ${formatBytes(total)}`)
  const hashed = full.map(() => 0)
  const tell = createHashView(total, context)
  const files: LocalFile[] = []
  await runPool(
    full.entries(),
    async ([index, path], { signal }) => {
      const size = sizes[index] as number
      const onProgress = (bytes: number): void => {
        hashed[index] = bytes
        tell(hashed.reduce((sum, count) => sum + count, 0))
      }
      files[index] = { path, size, md5: await session.md5Of(path, size, { signal, onProgress }) }
    },
    { concurrency: filesAtOnce, signal: context.signal },
  )
  context.output.clearProgressLine()
  return files
}
