import { setTimeout as wait } from 'node:timers/promises'
import type { CommandContext } from './context.ts'
import { formatBytes, plural, printable } from './format.ts'
import { listMountRecords, type MountRecord, readMountRecord, removeMountRecord, type ToldStatistics } from './mount-record.ts'
import { refusal } from './refusal.ts'

/** `stale`: its process is gone, and the folder still mounted. `silent`: its process does not tell how it is. */
type MountState = 'mounted' | 'stale' | 'silent' | 'elsewhere'

interface SeenMount {
  readonly record: MountRecord
  readonly state: MountState
  readonly told?: ToldStatistics
}

const answerMs = 3000
const stepMs = 25

/** Has the process write how it is. @returns `undefined` when it does not in time */
async function askStatistics(record: MountRecord, { env, now }: CommandContext): Promise<ToldStatistics | undefined> {
  const before = (await readMountRecord(env, record.mountPoint))?.told?.at
  const deadline = now() + answerMs
  process.kill(record.process.pid, 'SIGUSR2')
  while (now() < deadline) {
    const told = (await readMountRecord(env, record.mountPoint))?.told
    if (told !== undefined && told.at !== before) return told
    await wait(stepMs)
  }
  return undefined
}

/** @returns `undefined` for what has ended; its record is removed. */
async function look(record: MountRecord, context: CommandContext): Promise<SeenMount | undefined> {
  const { processState } = await import('../../src/index.ts')
  const { mountedAt, mountType } = await import('../fuse/index.ts')
  const process = await processState(record.process)
  if (process === 'unknown') return { record, state: 'elsewhere' }
  const row = await mountedAt(record.mountPoint)
  const mounted = row?.type === mountType
  if (process === 'dead') {
    if (mounted) return { record, state: 'stale' }
    await removeMountRecord(context.env, record)
    return undefined
  }
  // It is alive: the folder may be mounted in another namespace than this one.
  const told = await askStatistics(record, context)
  return told === undefined ? { record, state: 'silent' } : { record, state: mounted ? 'mounted' : 'elsewhere', told }
}

const words: Readonly<Record<MountState, string>> = {
  mounted: 'mounted',
  stale: "its process was killed: end it with 'score unmount'",
  silent: 'its process does not answer',
  elsewhere: 'mounted on another machine, or in another container',
}

function describe({ record, state, told }: SeenMount): string {
  const { mountPoint, url, objects, bytes, process, startedAt } = record
  const lines = [
    `${printable(mountPoint)}: ${words[state]}`,
    `  ${plural(objects, 'object')} of ${formatBytes(bytes)} from ${url}, process ${process.pid}, since ${startedAt}`,
  ]
  if (told) {
    const { openFiles, pending, bytesRead, cache } = told.mount
    lines.push(
      `  ${plural(openFiles, 'file')} open, ${pending} reads waiting, ${formatBytes(bytesRead)} read, ${formatBytes(cache.fetchedBytes)} fetched, ${formatBytes(told.residentBytes)} of memory`,
    )
  }
  return `${lines.join('\n')}\n`
}

/** Tells of this user's mounts, or of one. @returns the exit code */
export async function showMounts(mountPoint: string | undefined, context: CommandContext): Promise<number> {
  const { output, env, cwd } = context
  const { locateMountPoint } = await import('../fuse/index.ts')
  const wanted = mountPoint === undefined ? undefined : await locateMountPoint(mountPoint, cwd)
  const records = (await listMountRecords(env)).filter((record) => wanted === undefined || record.mountPoint === wanted)
  const seen = (await Promise.all(records.map((record) => look(record, context)))).filter((one) => one !== undefined)
  if (wanted !== undefined && seen.length === 0)
    throw refusal(`nothing that 'score mount' of this user started is mounted on '${wanted}'`, { code: 'path-not-found' })
  for (const one of seen) {
    const { process: identity, told: _, ...record } = one.record
    const told = one.told === undefined ? {} : { residentBytes: one.told.residentBytes, statistics: one.told.mount }
    if (output.json) output.event({ type: 'mount', state: one.state, pid: identity.pid, ...record, ...told })
    else output.data(describe(one))
  }
  if (seen.length === 0) output.say('Nothing is mounted.')
  return 0
}
