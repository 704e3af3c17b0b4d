import { randomBytes } from 'node:crypto'
import { type FileHandle, open, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import { createFileExclusive, discard, temporaryPath, writeFileAtomic } from './atomic-write.ts'
import { errnoOf, toFileError } from './file-error.ts'
import { ownProcess, type ProcessIdentity, processState } from './process-identity.ts'

/** A lock whose holder may be on another machine counts as left behind after so long without a sign of life. */
export const lockStaleMs = 60_000
const refreshMs = 10_000

export interface LockOptions extends CallOptions {
  /** What the holder does, for the message that the second one gets: `upload of a.bam`. */
  readonly label: string
  /** Wait until the lock is free instead of failing; default false. */
  readonly wait?: boolean
  /** How often a waiting process looks again, in ms; default 250. */
  readonly pollMs?: number
  /** Clock against which signs of life are measured, in ms; default the file system's own, so that skewed clocks of machines don't matter. */
  readonly now?: () => number
}

export interface FileLock {
  readonly path: string
  /** Differs with every acquisition. */
  readonly token: string
  /** Call it before what must not happen twice. @throws `already-running` when the lock was taken over or removed. */
  assertHeld(): Promise<void>
  /** Gives the lock back; no error when it is no longer ours, or when called again. */
  release(): Promise<void>
}

interface Holder extends ProcessIdentity {
  readonly token: string
  readonly startedAt: string
  readonly label: string
}

/** What stands in a lock file; a holder that cannot be read (being written, damaged) has no identity. */
interface Found {
  readonly holder: Holder | undefined
  readonly token: string
  readonly modifiedMs: number
}

function parseHolder(text: string): Holder | undefined {
  try {
    const value = JSON.parse(text) as Partial<Holder>
    return typeof value.pid === 'number' && typeof value.host === 'string' && typeof value.token === 'string'
      ? (value as Holder)
      : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** Through one handle, so that age and token are of the same file. */
async function look(path: string): Promise<Found | undefined> {
  let handle: FileHandle | undefined
  try {
    handle = await open(path, 'r')
    const { mtimeMs, ino } = await handle.stat()
    const holder = parseHolder(await handle.readFile('utf8'))
    return { holder, token: holder?.token ?? `unreadable-${ino}`, modifiedMs: mtimeMs }
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw toFileError(error, 'read the lock file', path)
  } finally {
    await handle?.close()
  }
}

/** The time of the file system that holds the lock: a file server's clock may differ from ours. */
async function folderTime(folder: string): Promise<number> {
  const probe = temporaryPath(folder)
  try {
    await writeProbe(probe)
    return (await stat(probe)).mtimeMs
  } catch (error) {
    throw toFileError(error, 'write to the folder', folder)
  } finally {
    await discard(probe)
  }
}

async function writeProbe(path: string): Promise<void> {
  const handle = await open(path, 'wx', 0o600)
  try {
    await handle.write('.')
  } finally {
    await handle.close()
  }
}

async function isStale(path: string, found: Found, options: LockOptions): Promise<boolean> {
  const state = found.holder ? await processState(found.holder) : 'unknown'
  if (state !== 'unknown') return state === 'dead'
  const now = options.now ? options.now() : await folderTime(dirname(path))
  return now - found.modifiedMs > lockStaleMs
}

function claimPath(path: string, token: string): string {
  return `${path}.${token}`
}

/**
 * Runs `change` as the only one who may replace or remove the lock that carries `token`. The right to do so is a lock
 * of its own, named by that token; tokens never come back, so a slow second taker finds another token and does nothing.
 *
 * @returns false when the lock carries another token, or someone else has the right.
 */
async function withClaim(path: string, token: string, options: LockOptions, change: () => Promise<void>): Promise<boolean> {
  const claim = claimPath(path, token)
  const claimToken = await tryCreate(claim, options)
  if (claimToken === undefined) return false
  try {
    if ((await look(path))?.token !== token) return false
    await change()
    return true
  } finally {
    await rm(claim, { force: true })
  }
}

async function describe(options: LockOptions): Promise<{ readonly token: string; readonly text: string }> {
  const token = randomBytes(12).toString('hex')
  const holder: Holder = { ...(await ownProcess()), token, startedAt: new Date().toISOString(), label: options.label }
  return { token, text: `${JSON.stringify(holder)}\n` }
}

/** @returns our token; `undefined` when someone else holds the lock. */
async function tryCreate(path: string, options: LockOptions): Promise<string | undefined> {
  const { token, text } = await describe(options)
  if (await createFileExclusive(path, text, { mode: 0o644, durable: false })) return token
  const found = await look(path)
  if (found && !(await isStale(path, found, options))) return undefined
  if (!found) return undefined
  const taken = await withClaim(path, found.token, options, () => writeFileAtomic(path, text, { mode: 0o644, durable: false }))
  return taken ? token : undefined
}

function heldMessage(path: string, found: Found | undefined): string {
  const holder = found?.holder
  const who = holder ? `process ${holder.pid} on ${holder.host} (${holder.label}, since ${holder.startedAt})` : 'another process'
  return `'${path}' is held by ${who}. Wait until it has ended, run with --wait, or remove that file once you are sure that the process is gone`
}

function hold(path: string, token: string, options: LockOptions): FileLock {
  let released = false
  const lost = (found: Found | undefined): ScoreError =>
    new ScoreError(
      'already-running',
      `the lock '${path}' was lost while it was in use: ${found ? heldMessage(path, found) : 'the file was removed'}`,
    )
  // A sign of life is the first byte written again: the file server stamps the time, and the content never changes.
  const refresh = async (): Promise<Found | undefined> => {
    const found = await look(path)
    if (found?.token !== token) return found
    const handle = await open(path, 'r+')
    try {
      await handle.write('{', 0)
    } finally {
      await handle.close()
    }
    return found
  }
  // A failed refresh is no news: the next one may succeed, and assertHeld tells the truth before anything is at stake.
  const timer = setInterval(() => void refresh().catch(() => undefined), refreshMs)
  timer.unref()
  return {
    path,
    token,
    async assertHeld() {
      const found = released ? undefined : await refresh()
      if (found?.token !== token) throw lost(found)
    },
    async release() {
      if (released) return
      released = true
      clearInterval(timer)
      await withClaim(path, token, options, () => rm(path, { force: true }))
    },
  }
}

const triesWithoutWaiting = 4

/**
 * Takes an exclusive lock, kept as a small file that names its holder; nothing but exclusive creation and rename is asked
 * of the file system, so it works on network ones. It is taken from a holder that is gone: at once when the process died
 * on this machine, after {@link lockStaleMs} without a sign of life when it ran elsewhere.
 *
 * A holder that was suspended for longer than that on another machine can lose its lock without knowing:
 * {@link FileLock.assertHeld} tells.
 *
 * @throws `already-running` naming the holder and the way out, unless `wait` is set; `local-storage`.
 */
export async function acquireLock(path: string, options: LockOptions): Promise<FileLock> {
  for (let attempt = 1; ; attempt++) {
    options.signal?.throwIfAborted()
    const token = await tryCreate(path, options)
    if (token !== undefined) return hold(path, token, options)
    if (!options.wait) {
      const found = await look(path)
      const held = found !== undefined && !(await isStale(path, found, options))
      if (held || attempt >= triesWithoutWaiting) throw new ScoreError('already-running', heldMessage(path, found))
    }
    await pause(options.pollMs ?? 250, options)
  }
}

async function pause(ms: number, options: CallOptions): Promise<void> {
  try {
    await sleep(ms, undefined, options.signal ? { signal: options.signal } : {})
  } catch (error) {
    options.signal?.throwIfAborted()
    throw error
  }
}
