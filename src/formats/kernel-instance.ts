import { readsKernel } from './reads-kernel.ts'

/** Bytes that {@link KernelInstance.inflate} may read behind its input, and write behind its output. */
export const inputSlackBytes = 32
export const outputSlackBytes = 320

/** What `bench/reads-kernel/` compiles to, with a memory of its own. Addresses are places in {@link KernelInstance.bytes}. */
export interface KernelInstance {
  readonly bytes: Buffer
  readonly view: DataView
  /** Where the memory begins that is the caller's; there is as much as was asked for. */
  readonly free: number
  /** Inflates raw deflate data. @returns where the output ends; 0 when the data are bad or do not end where they should */
  inflate(from: number, to: number, out: number, outEnd: number): number
  /** Writes lines as the walk says. @returns one of {@link walkEnds} */
  writeLines(): number
  /** Where the walk lies: 32-bit words, see {@link walkWords}. */
  readonly walk: number
}

/** Places of a walk's words, as `bench/reads-kernel/sam-text.as` has them. */
export const walkWords = {
  at: 0,
  end: 4,
  out: 8,
  outEnd: 12,
  names: 16,
  nameCount: 20,
  longestName: 24,
  referenceId: 28,
  lastPosition: 32,
  regions: 36,
  regionCount: 40,
  regionAt: 44,
  contained: 48,
} as const

/** Why a walk ended: the next record is not all there; its line has no room; it is not for the kernel. */
export const walkEnds = { needsMore: 0, isFull: 1, isSpecial: 2 } as const

/** In the walk, instead of a reference: records of any, in any order. */
export const anyReference = -2

const pageBytes = 64 * 1024
let compiled: WebAssembly.Module | undefined

/** Code and tables of the kernel take less. */
const ownBytes = 320 * 1024

/**
 * @param room bytes of memory for the caller
 * @param writeFloat writes a float as text; how many bytes it took
 */
export function createKernelInstance(room: number, writeFloat: (value: number, at: number) => number = () => 0): KernelInstance {
  compiled ??= new WebAssembly.Module(Buffer.from(readsKernel, 'base64'))
  const memory = new WebAssembly.Memory({ initial: Math.ceil((ownBytes + room) / pageBytes) })
  const { exports } = new WebAssembly.Instance(compiled, { env: { memory }, m: { float: writeFloat } })
  const call = (name: string): ((...addresses: number[]) => number) => exports[name] as (...addresses: number[]) => number
  return {
    bytes: Buffer.from(memory.buffer as ArrayBuffer),
    view: new DataView(memory.buffer),
    free: Math.ceil(call('freeAddress')() / 16) * 16,
    inflate: call('inflate'),
    writeLines: call('writeLines'),
    walk: call('walkAddress')(),
  }
}
