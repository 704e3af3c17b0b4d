import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import asc from 'assemblyscript/asc'

/**
 * Writes `src/formats/reads-kernel.ts`: a WebAssembly module that inflates BGZF blocks and writes records as SAM text, compiled from
 * the AssemblyScript in `bench/reads-kernel/`. Run it with `node --import tsx bench/reads-kernel-generator.ts`.
 *
 * The module imports `env.memory` and `m.float`; what it exports is told in the source.
 */
const folder = join(import.meta.dirname, 'reads-kernel')
const entry = "export { freeAddress, inflate } from './inflate'\nexport { walkAddress, writeLines } from './sam-text'\n"
/** Ends in `.as` on disk: what checks TypeScript should leave it alone. */
const sources = new Map([
  ['kernel.ts', entry],
  ...['inflate', 'sam-text'].map((name): [string, string] => [`${name}.ts`, readFileSync(join(folder, `${name}.as`), 'utf8')]),
])
const flags = ['-O3', '--noAssert', '--runtime', 'stub', '--importMemory', '--zeroFilledMemory', '--initialMemory', '8']

/** @throws when the source does not compile */
export async function buildReadsKernel(): Promise<Uint8Array> {
  let binary: Uint8Array | undefined
  const { error, stderr } = await asc.main(['kernel.ts', '--outFile', 'kernel.wasm', ...flags], {
    readFile: (name: string) => sources.get(name) ?? null,
    writeFile: (_name: string, contents: Uint8Array | string) => {
      if (typeof contents !== 'string') binary = contents
    },
    listFiles: () => [],
  })
  if (error || !binary) throw new Error(`the kernel does not compile: ${stderr.toString()}`, { cause: error })
  return binary
}

/** The source file with the module in it. */
export async function readsKernelSource(): Promise<string> {
  const module = Buffer.from(await buildReadsKernel()).toString('base64')
  return `/** Inflating and SAM text in WebAssembly, base64. Made by \`bench/reads-kernel-generator.ts\`; a test makes it again. */
export const readsKernel =
  '${module}'
`
}

if (process.argv[1] === import.meta.filename)
  writeFileSync(join(import.meta.dirname, '../src/formats/reads-kernel.ts'), await readsKernelSource())
