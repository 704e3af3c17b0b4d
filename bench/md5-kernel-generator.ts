import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Writes `src/hash/md5-kernel.ts`: a WebAssembly module that runs the MD5 compression function (RFC 1321 3.4) over four
 * independent streams at once, one per 32-bit lane of the 128-bit registers. Run it with
 * `node --import tsx bench/md5-kernel-generator.ts`.
 *
 * The module imports `m.memory` and exports `update(s0, s1, s2, s3, p0, p1, p2, p3, blocks)`: states of 16 bytes (a, b, c, d)
 * and data, as addresses. It keeps its table of constants in the first 256 bytes of the memory.
 */
const rounds = [
  { shifts: [7, 12, 17, 22], word: (i: number) => i },
  { shifts: [5, 9, 14, 20], word: (i: number) => (5 * i + 1) % 16 },
  { shifts: [4, 11, 16, 23], word: (i: number) => (3 * i + 5) % 16 },
  { shifts: [6, 10, 15, 21], word: (i: number) => (7 * i) % 16 },
] as const

const i32 = 0x7f
const v128 = 0x7b

function leb(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  do {
    const more = rest > 127
    bytes.push((rest & 127) | (more ? 128 : 0))
    rest = Math.floor(rest / 128)
  } while (rest > 0)
  return bytes
}

function signedLeb(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (;;) {
    const low = rest & 127
    rest >>= 7
    const last = (rest === 0 && (low & 64) === 0) || (rest === -1 && (low & 64) !== 0)
    bytes.push(last ? low : low | 128)
    if (last) return bytes
  }
}

const get = (local: number): number[] => [0x20, ...leb(local)]
const set = (local: number): number[] => [0x21, ...leb(local)]
const tee = (local: number): number[] => [0x22, ...leb(local)]
const constant = (value: number): number[] => [0x41, ...signedLeb(value)]
const simd = (code: number, ...rest: number[]): number[] => [0xfd, ...leb(code), ...rest]
const load = (offset: number): number[] => simd(0, 0, ...leb(offset))
const store = simd(11, 0, 0)
const loadSplat = (offset: number): number[] => simd(9, 2, ...leb(offset))
const shuffle = (lanes: readonly number[]): number[] => simd(13, ...lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => lane * 4 + byte)))
const not = simd(77)
const and = simd(78)
const andNot = simd(79)
const or = simd(80)
const xor = simd(81)
const shiftLeft = simd(0xab)
const shiftRight = simd(0xad)
const add = simd(0xae)

/** Parameters: four states, four data pointers, blocks. Then: state, working values, words of the block, scratch. */
const dataPointers = [4, 5, 6, 7]
const blocks = 8
const state = [9, 10, 11, 12]
const working = [13, 14, 15, 16]
const words = Array.from({ length: 16 }, (_, i) => 17 + i)
const scratch = [33, 34, 35, 36]

/** Turns four registers, one per stream, into four with one word of each stream; from and to may be the same. */
function transpose(from: readonly number[], to: readonly number[]): number[] {
  const [r0 = 0, r1 = 0, r2 = 0, r3 = 0] = from
  const [t0 = 0, t1 = 0, t2 = 0, t3 = 0] = scratch
  const [o0 = 0, o1 = 0, o2 = 0, o3 = 0] = to
  const join2 = (a: number, b: number, lanes: number[], into: number): number[] => [...get(a), ...get(b), ...shuffle(lanes), ...set(into)]
  return [
    ...join2(r0, r1, [0, 4, 1, 5], t0),
    ...join2(r2, r3, [0, 4, 1, 5], t1),
    ...join2(r0, r1, [2, 6, 3, 7], t2),
    ...join2(r2, r3, [2, 6, 3, 7], t3),
    ...join2(t0, t1, [0, 1, 4, 5], o0),
    ...join2(t0, t1, [2, 3, 6, 7], o1),
    ...join2(t2, t3, [0, 1, 4, 5], o2),
    ...join2(t2, t3, [2, 3, 6, 7], o3),
  ]
}

function rotate(by: number): number[] {
  const [t = 0] = scratch
  if (by === 16) return [...tee(t), ...get(t), ...simd(13, ...[2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13])]
  return [...tee(t), ...constant(by), ...shiftLeft, ...get(t), ...constant(32 - by), ...shiftRight, ...or]
}

/** Adds the round's function of b, c, d to the sum on the stack; b comes last, for it is the one that is waited for. */
function mix(round: number, b: number, c: number, d: number): number[] {
  if (round === 0) return [...get(c), ...get(d), ...xor, ...get(b), ...and, ...get(d), ...xor, ...add]
  if (round === 1) return [...get(c), ...get(d), ...andNot, ...add, ...get(d), ...get(b), ...and, ...add]
  if (round === 2) return [...get(c), ...get(d), ...xor, ...get(b), ...xor, ...add]
  return [...get(d), ...not, ...get(b), ...or, ...get(c), ...xor, ...add]
}

function step(index: number): number[] {
  const round = index >> 4
  const { shifts, word } = rounds[round] as (typeof rounds)[number]
  const at = (offset: number): number => working[(offset + 64 - index) % 4] as number
  const [a, b, c, d] = [at(0), at(1), at(2), at(3)]
  return [
    ...get(a),
    ...constant(0),
    ...loadSplat(index * 4),
    ...add,
    ...get(words[word(index % 16)] as number),
    ...add,
    ...mix(round, b, c, d),
    ...rotate(shifts[index % 4] as number),
    ...get(b),
    ...add,
    ...set(a),
  ]
}

function loadWords(): number[] {
  return [0, 4, 8, 12].flatMap((first) => {
    const four = words.slice(first, first + 4)
    return [...four.flatMap((word, i) => [...get(dataPointers[i] as number), ...load(first * 4), ...set(word)]), ...transpose(four, four)]
  })
}

function body(): number[] {
  const loadStates = state.flatMap((local, i) => [...get(i), ...load(0), ...set(local)])
  const storeStates = state.flatMap((local, i) => [...get(i), ...get(local), ...store])
  const advance = dataPointers.flatMap((pointer) => [...get(pointer), ...constant(64), 0x6a, ...set(pointer)])
  return [
    ...loadStates,
    ...transpose(state, state),
    ...[0x03, 0x40],
    ...loadWords(),
    ...state.flatMap((local, i) => [...get(local), ...set(working[i] as number)]),
    ...Array.from({ length: 64 }, (_, i) => step(i)).flat(),
    ...state.flatMap((local, i) => [...get(local), ...get(working[i] as number), ...add, ...set(local)]),
    ...advance,
    ...[...get(blocks), ...constant(1), 0x6b, ...tee(blocks), 0x0d, 0, 0x0b],
    ...transpose(state, state),
    ...storeStates,
    0x0b,
  ]
}

const name = (text: string): number[] => [...leb(text.length), ...Buffer.from(text, 'latin1')]
const section = (id: number, content: readonly number[]): number[] => [id, ...leb(content.length), ...content]

function table(): Uint8Array {
  return new Uint8Array(Uint32Array.from({ length: 64 }, (_, i) => Math.floor(2 ** 32 * Math.abs(Math.sin(i + 1)))).buffer)
}

export function buildMd5Kernel(): Uint8Array {
  const code = [1, ...leb(28), v128, ...body()]
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 9, ...Array<number>(9).fill(i32), 0]),
    ...section(2, [1, ...name('m'), ...name('memory'), 2, 0, 1]),
    ...section(3, [1, 0]),
    ...section(7, [1, ...name('update'), 0, 0]),
    ...section(10, [1, ...leb(code.length), ...code]),
    ...section(11, [1, 0, ...constant(0), 0x0b, ...leb(256), ...table()]),
  ])
}

/** The source file that holds the kernel. */
export function kernelSource(): string {
  return `/** Four-lane MD5 in WebAssembly SIMD, base64. Made by \`bench/md5-kernel-generator.ts\`; a test makes it again. */
export const md5Kernel =
  '${Buffer.from(buildMd5Kernel()).toString('base64')}'
`
}

if (process.argv[1] === import.meta.filename) writeFileSync(join(import.meta.dirname, '../src/hash/md5-kernel.ts'), kernelSource())
