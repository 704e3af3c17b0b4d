import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { isScoreError } from '../../src/core/errors.ts'
import { acquireLock, lockStaleMs } from '../../src/files/lock-file.ts'
import { ownProcess, processState } from '../../src/files/process-identity.ts'
import { type DoomedChild, killHard, startDoomed } from '../support/doomed-child.ts'
import { suite } from '../support/suite.ts'

function contend(folder: string, rounds: number): DoomedChild {
  return startDoomed(join(import.meta.dirname, 'lock-contender.ts'), folder, String(rounds))
}

async function refusal(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => assert.unreachable('the lock was given twice'),
    (reason: unknown) => reason,
  )
  assert.ok(isScoreError(error, 'already-running'), String(error))
  return error.message
}

async function stray(path: string, changes: Record<string, unknown>, ageMs = 0): Promise<void> {
  const holder = { ...(await ownProcess()), token: 'f'.repeat(24), startedAt: '2026-01-01T00:00:00Z', label: 'old upload', ...changes }
  await writeFile(path, JSON.stringify(holder))
  const at = (Date.now() - ageMs) / 1000
  await utimes(path, at, at)
}

suite<{ folder: string; path: string }>('files/lock-file', (test) => {
  test.beforeEach(async (context) => {
    context.folder = await mkdtemp(join(tmpdir(), 'score-lock-'))
    context.path = join(context.folder, 'lock')
  })
  test.afterEach(async ({ folder }) => rm(folder, { recursive: true }))

  test('the second is told who holds it and what to do', async ({ path }) => {
    const lock = await acquireLock(path, { label: 'upload of a.bam' })
    const message = await refusal(acquireLock(path, { label: 'second' }))
    for (const part of [path, String(process.pid), hostname(), 'upload of a.bam', '--wait', 'remove']) {
      assert.ok(message.includes(part), `${part} is missing in: ${message}`)
    }
    await lock.assertHeld()
    await lock.release()
  })

  test('release frees it and leaves nothing', async ({ folder, path }) => {
    const first = await acquireLock(path, { label: 'first' })
    await first.release()
    await first.release()
    assert.equal(await readdir(folder), [])
    await refusal(first.assertHeld())
    await (await acquireLock(path, { label: 'second' })).release()
  })

  test('a waiting one gets it next, or stops when told to', async ({ path }) => {
    const lock = await acquireLock(path, { label: 'first' })
    const stop = new AbortController()
    const stopped = acquireLock(path, { label: 'stopped', wait: true, signal: stop.signal }).catch((error: unknown) => error)
    const next = acquireLock(path, { label: 'second', wait: true, pollMs: 2 })
    stop.abort(new Error('told to stop'))
    assert.is(((await stopped) as Error).message, 'told to stop')
    await lock.release()
    await (await next).release()
  })

  test('a holder killed with -9 is replaced at once', async ({ folder, path }) => {
    await writeFile(join(folder, 'counter'), '0')
    const child = contend(folder, 1_000_000)
    await once(child.stdout, 'data')
    for (;;) {
      child.stdout.resume()
      process.kill(child.pid as number, 'SIGSTOP')
      const text = await readFile(path, 'utf8').catch(() => '')
      if (text.includes(String(child.pid))) break
      process.kill(child.pid as number, 'SIGCONT')
    }
    await refusal(acquireLock(path, { label: 'while it lives' }))
    await killHard(child)
    await (await acquireLock(path, { label: 'after' })).release()
  })

  test('of many that find a dead holder, one gets the lock', async ({ folder, path }) => {
    for (let round = 0; round < 10; round++) {
      await stray(path, { pid: 2 ** 22 + 7, token: `${round}`.padStart(24, 'e') })
      const results = await Promise.allSettled(Array.from({ length: 12 }, () => acquireLock(path, { label: 'taker', pollMs: 1 })))
      const won = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
      assert.is(won.length, 1)
      await won[0]?.release()
    }
    assert.equal(await readdir(folder), [])
  })

  test('processes that die inside never let two in', async ({ folder, path }) => {
    await writeFile(join(folder, 'counter'), '0')
    await stray(path, { pid: 2 ** 22 + 7 })
    const doomed = [contend(folder, 1_000_000), contend(folder, 1_000_000)]
    const steady = [contend(folder, 60), contend(folder, 60), contend(folder, 60)]
    const ends = steady.map((child) => once(child, 'close'))
    for (const child of steady) child.stdout.resume()
    const deaths = doomed.map(async (child) => {
      await once(child.stdout, 'data')
      await killHard(child)
    })
    await Promise.all(deaths)
    for (const [code] of await Promise.all(ends)) assert.is(code, 0)
    const files = await readdir(folder)
    assert.is(files.includes('violations') ? await readFile(join(folder, 'violations'), 'utf8') : '', '')
    const count = await readFile(join(folder, 'counter'), 'utf8')
    assert.ok(Number(count) >= 180, `counted ${count} of at least 180`)
  })

  test('a holder elsewhere counts as gone only after a minute without a sign of life', async ({ path }) => {
    for (const identity of [{ host: 'elsewhere' }, { bootId: 'another boot' }]) {
      await stray(path, identity, lockStaleMs - 40_000)
      await refusal(acquireLock(path, { label: 'early', pollMs: 1 }))
      await stray(path, identity, lockStaleMs + 5000)
      await (await acquireLock(path, { label: 'late' })).release()
    }
  })

  test('the age is measured by the clock given', async ({ path }) => {
    await stray(path, { host: 'elsewhere' })
    await refusal(acquireLock(path, { label: 'early', now: () => Date.now() + lockStaleMs - 40_000, pollMs: 1 }))
    await (await acquireLock(path, { label: 'late', now: () => Date.now() + lockStaleMs + 5000 })).release()
  })

  test('a process number that was given anew does not count as the holder', async ({ path }) => {
    const own = await ownProcess()
    if (own.processStart === '') return
    await stray(path, { processStart: `${Number(own.processStart) - 1}` })
    await (await acquireLock(path, { label: 'after' })).release()
  })

  test('a damaged lock is respected for a minute, then replaced', async ({ path }) => {
    await writeFile(path, '{"pid":')
    assert.ok((await refusal(acquireLock(path, { label: 'early', pollMs: 1 }))).includes(path))
    await (await acquireLock(path, { label: 'late', now: () => Date.now() + lockStaleMs + 5000 })).release()
  })

  test('who lost the lock is told, and leaves the new holder alone', async ({ path }) => {
    const first = await acquireLock(path, { label: 'first' })
    await rm(path)
    const second = await acquireLock(path, { label: 'second' })
    assert.ok((await refusal(first.assertHeld())).includes('second'))
    await first.release()
    await second.assertHeld()
    await second.release()
  })

  test('a sign of life moves the time of the file', async ({ path }) => {
    const lock = await acquireLock(path, { label: 'first' })
    const before = await readFile(path, 'utf8')
    await utimes(path, 1000, 1000)
    await lock.assertHeld()
    const { mtimeMs } = await import('node:fs').then(({ statSync }) => statSync(path))
    assert.ok(Date.now() - mtimeMs < 30_000)
    assert.is(await readFile(path, 'utf8'), before)
    await lock.release()
  })

  test('a killed process that nobody has reaped holds nothing', async () => {
    // The shell starts a child, tells its pid and becomes a program that never asks after it. Only then is the child killed.
    const parent = spawn('sh', ['-c', 'sleep 600 & echo $!; exec tail -f /dev/null'], { stdio: ['ignore', 'pipe', 'ignore'] })
    try {
      const [said] = (await once(parent.stdout, 'data')) as [Buffer]
      const pid = Number(said.toString())
      const stat = (): string => readFileSync(`/proc/${pid}/stat`, 'utf8')
      const until = async (holds: () => boolean): Promise<void> => {
        while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5))
      }
      await until(() => readFileSync(`/proc/${parent.pid}/comm`, 'utf8') === 'tail\n')
      process.kill(pid, 'SIGKILL')
      await until(() => /\) Z /.test(stat()))
      const identity = { ...(await ownProcess()), pid, processStart: stat().split(' ')[21] as string }
      assert.is(await processState(identity), 'dead')
    } finally {
      parent.kill('SIGKILL')
    }
  })
})
