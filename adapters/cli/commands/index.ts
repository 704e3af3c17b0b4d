import { resolve } from 'node:path'
import type { Run } from '../command-run.ts'
import { formatBytes, printable } from '../format.ts'
import { fileNameOf, withReads } from '../reads-input.ts'
import { refusal } from '../refusal.ts'
import { openSession } from '../session.ts'

export const run: Run<'index'> = async ({ indexFormat, minShift, output: wanted }, [argument = ''], context) => {
  const { cwd, output, signal } = context
  if (minShift < 1 || minShift > 30) throw refusal(`--min-shift takes 1 to 30, and is ${minShift}`)
  const { buildBamIndex, buildCramIndex, encodeIndex, quickCheck, writeFileAtomic } = await import('../../../src/index.ts')
  return withReads(argument, context, openSession, async (input) => {
    const { name, data } = input
    const { format } = await quickCheck(data, name, { signal })
    if (format === 'cram' && indexFormat !== 'auto')
      throw refusal(`${name} is a CRAM file, whose index is a CRAI: leave --index-format out`)
    const kind = indexFormat === 'auto' ? {} : { kind: indexFormat }
    const index =
      format === 'cram' ? await buildCramIndex(data, { name, signal }) : await buildBamIndex(data, { name, minShift, signal, ...kind })
    const { bytes, extension } = await encodeIndex(index)
    const path = wanted === undefined ? `${input.path ?? resolve(cwd, fileNameOf(input))}.${extension}` : resolve(cwd, wanted)
    await writeFileAtomic(path, bytes)
    output.event({ type: 'index', input: name, path, bytes: bytes.length })
    output.say(`Made ${printable(path)}: ${formatBytes(bytes.length)}`)
    return 0
  })
}
