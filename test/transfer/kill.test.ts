import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { md5Hex } from '../../src/core/checksum.ts'
import { killHard, startDoomed } from '../support/doomed-child.ts'
import { suite } from '../support/suite.ts'
import type { ScoreDouble } from './score-double.ts'
import { someBytes, type Workbench, withWorkbench } from './workbench.ts'

/** Of each direction. */
const rounds = Number(process.env['SCORE_KILL_ROUNDS'] ?? 6)
const seed = Number(process.env['SCORE_KILL_SEED'] ?? 20261124)
const concurrency = 4
const parts = 16
const partSize = 8 * 1024
const script = join(import.meta.dirname, 'doomed-transfer.ts')

/** Seeded, so that a failure can be had again. */
function dice(start: number): (below: number) => number {
  let state = start >>> 0
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** Calls `then` when the service or the store has seen so many requests. */
function atEvent(score: ScoreDouble, count: number, then: () => void): void {
  let seen = 0
  const event = (): undefined => {
    if (seen++ === count) then()
    return undefined
  }
  score.fault = event
  score.refuse = event
  score.lose = event
}

function quiet(score: ScoreDouble): void {
  score.fault = undefined
  score.refuse = undefined
  score.lose = undefined
}

type Direction = 'upload' | 'download'

/** Runs the transfer in a child and kills it at the moment given. @returns whether it was killed before its end. */
async function runDoomed(bench: Workbench, round: Round, moment: { readonly event: number; readonly delayMs: number }): Promise<boolean> {
  const { direction, objectId, path, md5 } = round
  const { event, delayMs } = moment
  const child = startDoomed(script, direction, bench.score.rpcUrl, objectId, path, md5, String(concurrency))
  const ended = once(child, 'close') as Promise<[number | null]>
  child.stdout.resume()
  let killing: Promise<void> | undefined
  atEvent(bench.score, event, () => {
    killing = new Promise((resolve) => setTimeout(resolve, delayMs)).then(() => killHard(child))
  })
  const [code] = await ended
  await killing
  quiet(bench.score)
  if (code !== null) assert.is(code, 0, 'the child failed before it was killed')
  return code === null
}

interface Round {
  readonly direction: Direction
  readonly objectId: string
  readonly path: string
  readonly bytes: Buffer
  readonly md5: string
  /** Names the round in a failure. */
  readonly what: string
}

/** What stands there is the whole or nothing. */
async function requireNothingHalf(score: ScoreDouble, { direction, objectId, path, bytes, what }: Round): Promise<void> {
  const stored = direction === 'upload' ? score.objects.get(objectId)?.bytes : existsSync(path) ? await readFile(path) : undefined
  if (stored !== undefined) assert.equal(stored, bytes, what)
}

/** @returns parts kept. */
async function goOn(bench: Workbench, { direction, objectId, path, bytes, md5, what }: Round): Promise<number> {
  const { engine, score } = bench
  const receipt = await (direction === 'upload'
    ? engine.upload({ objectId, from: { path }, md5 }, { concurrency })
    : engine.download({ objectId, path, ifExists: 'skip' }, { concurrency }))
  assert.equal(direction === 'upload' ? score.objects.get(objectId)?.bytes : await readFile(path), bytes, what)
  const left = (await bench.left()).filter((name) => name.includes(objectId))
  assert.equal(left, [], what)
  return receipt.partsKept
}

/** One transfer killed at a moment of chance and gone on with. @returns parts kept; `undefined` when it ended before it was killed. */
async function playRound(
  bench: Workbench,
  direction: Direction,
  number: number,
  roll: (below: number) => number,
): Promise<number | undefined> {
  const { score } = bench
  const last = direction === 'upload' ? 3 * parts + 10 : parts + 2
  const bytes = someBytes(parts * partSize - roll(partSize - 1), number + 1)
  const objectId = randomUUID()
  const moment = { event: roll(last), delayMs: roll(4) }
  const what = `seed ${seed}, round ${number}: ${JSON.stringify(moment)}`
  const path = direction === 'upload' ? await bench.file(`f${number}`, bytes) : join(bench.folder, `f${number}`)
  const round: Round = { direction, objectId, path, bytes, md5: md5Hex(bytes), what }
  if (direction === 'download') score.put(objectId, bytes)
  const wasKilled = await runDoomed(bench, round, moment)
  await requireNothingHalf(score, round)
  const kept = wasKilled ? await goOn(bench, round) : undefined
  const moved = score.requests.filter((request) => request.objectId === objectId).length
  assert.ok(moved <= parts + (wasKilled ? concurrency : 0), `${what}: ${moved} requests for ${parts} parts`)
  return kept
}

suite('kill -9', (test) => {
  for (const direction of ['upload', 'download'] as const) {
    test(`${direction}: ${rounds} moments, each resumed to the same bytes`, () =>
      withWorkbench(async (bench) => {
        bench.score.partSize = partSize
        const roll = dice(seed + (direction === 'upload' ? 1 : 2))
        const kept: number[] = []
        for (let number = 0; number < rounds; number++) {
          const result = await playRound(bench, direction, number, roll)
          if (result !== undefined) kept.push(result)
        }
        assert.ok(kept.length >= rounds / 2, `only ${kept.length} of ${rounds} were killed in time`)
        assert.ok(Math.max(...kept) > 0, 'no part was ever kept')
      }))
  }
})
