import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

export const usage = `npm run demo -- [--size MIB] [--keep DIR] [--cli FILE]

  --size MIB   size of the BAM file; default 256, least 100 (five parts of 20 MiB)
  --keep DIR   work in DIR, which must be empty, and leave everything there
  --cli FILE   the score program to run, such as dist/bin/score.js; default: from source
`
const leastMebibytes = 100
/** The BAM itself, its parts and the joined object in the store, and the download. */
const spaceFactor = 4

export interface DemoSettings {
  readonly mebibytes: number
  readonly keep?: string
  readonly cli: string
}

const sourceCli = fileURLToPath(new URL('../../adapters/cli/score.ts', import.meta.url))

/** @returns `undefined` when only help is wanted. @throws when an option is wrong. */
export function readSettings(argv: readonly string[]): DemoSettings | undefined {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      size: { type: 'string', default: '256' },
      keep: { type: 'string' },
      cli: { type: 'string', default: sourceCli },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  const mebibytes = Number(values.size)
  if (!Number.isInteger(mebibytes) || mebibytes < leastMebibytes)
    throw new Error(`--size ${values.size}: a whole number of MiB is needed, at least ${leastMebibytes}`)
  const cli = resolve(values.cli)
  if (!existsSync(cli)) throw new Error(`--cli ${values.cli}: there is no such file; 'npm run build' makes dist/bin/score.js`)
  return { mebibytes, cli, ...(values.keep !== undefined && { keep: resolve(values.keep) }) }
}

/** The folder to work in. @throws when it is not empty or its disk too full; nothing is written then. */
export async function prepareFolder({ keep, mebibytes }: DemoSettings): Promise<string> {
  if (keep !== undefined) {
    await mkdir(keep, { recursive: true })
    if ((await readdir(keep)).length > 0) throw new Error(`--keep ${keep}: the folder is not empty; name another one`)
  }
  const parent = keep ?? tmpdir()
  const { bavail, bsize } = await statfs(parent)
  const needed = mebibytes * spaceFactor
  const free = Math.floor((bavail * bsize) / 2 ** 20)
  if (free < needed)
    throw new Error(
      `${parent} has ${free} MiB free, the demo needs ${needed} MiB; choose a smaller --size, --keep DIR on another disk, or set TMPDIR`,
    )
  return keep ?? (await mkdtemp(join(parent, 'score-demo-')))
}
