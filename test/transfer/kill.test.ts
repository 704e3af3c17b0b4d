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

const rounds = Number(process.env['SCORE_KILL_ROUNDS'] ?? 12)
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
async function runDoomed(
  bench: Workbench,
  direction: Direction,
  objectId: string,
  path: string,
  md5: string,
  event: number,
  delayMs: number,
): Promise<boolean> {
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

suite('kill -9', (test) => {
  for (const direction of ['upload', 'download'] as const) {
    test(`${direction}: ${rounds} moments, each resumed to the same bytes`, () =>
      withWorkbench(async (bench) => {
        const { score } = bench
        score.partSize = partSize
        const roll = dice(seed + (direction === 'upload' ? 1 : 2))
        const last = direction === 'upload' ? 3 * parts + 10 : parts + 2
        let killed = 0
        let kept = 0
        for (let round = 0; round < rounds; round++) {
          const bytes = someBytes(parts * partSize - roll(partSize - 1), round + 1)
          const md5 = md5Hex(bytes)
          const objectId = randomUUID()
          const path = direction === 'upload' ? await bench.file(`f${round}`, bytes) : join(bench.folder, `f${round}`)
          if (direction === 'download') score.put(objectId, bytes)
          const moment = { event: roll(last), delayMs: roll(4) }
          const what = `seed ${seed}, round ${round}: ${JSON.stringify(moment)}`
          const wasKilled = await runDoomed(bench, direction, objectId, path, md5, moment.event, moment.delayMs)
          if (wasKilled) killed++
          if (direction === 'upload') {
            if (score.objects.has(objectId)) assert.equal(score.objects.get(objectId)?.bytes, bytes, what)
          } else if (existsSync(path)) assert.equal(await readFile(path), bytes, what)
          const receipt =
            direction === 'upload' && !wasKilled
              ? undefined
              : direction === 'upload'
                ? await bench.engine.upload({ objectId, from: { path }, md5 }, { concurrency })
                : await bench.engine.download({ objectId, path, ifExists: 'skip' }, { concurrency })
          kept += receipt?.partsKept ?? 0
          if (direction === 'upload') assert.equal(score.objects.get(objectId)?.bytes, bytes, what)
          else assert.equal(await readFile(path), bytes, what)
          const moved = score.requests.filter((request) => request.objectId === objectId).length
          assert.ok(moved <= parts + (wasKilled ? concurrency : 0), `${what}: ${moved} requests for ${parts} parts`)
          assert.equal(
            (await bench.left()).filter((name) => name.includes(objectId)),
            [],
            what,
          )
        }
        assert.ok(killed >= rounds / 2, `only ${killed} of ${rounds} were killed in time`)
        assert.ok(kept > 0, 'no part was ever kept')
      }))
  }
})
