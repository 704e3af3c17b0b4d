import { setTimeout as wait } from 'node:timers/promises'
import type { Run } from '../command-run.ts'
import type { CommandContext } from '../context.ts'
import { type MountRecord, readMountRecord, removeMountRecord } from '../mount-record.ts'
import { refusal } from '../refusal.ts'

/** A process that is told to end gives programs two seconds to close what they have open. */
const endMs = 15_000
const stepMs = 25

async function isAlive(record: MountRecord): Promise<boolean> {
  const { processState } = await import('../../../src/index.ts')
  return (await processState(record.process)) === 'alive'
}

async function ends(record: MountRecord, { now }: CommandContext): Promise<boolean> {
  for (const deadline = now() + endMs; now() < deadline; await wait(stepMs)) if (!(await isAlive(record))) return true
  return false
}

export const run: Run<'unmount'> = async (_values, [path = ''], context) => {
  const { cwd, env, output } = context
  const { locateMountPoint, mountedAt, mountType, unmountFolder } = await import('../../fuse/index.ts')
  const mountPoint = await locateMountPoint(path, cwd)
  const record = await readMountRecord(env, mountPoint)
  const row = await mountedAt(mountPoint)
  if (row !== undefined && row.type !== mountType)
    throw refusal(`'${mountPoint}' is a mount of another program (${row.type}): end it with that`)
  const alive = record !== undefined && (await isAlive(record))
  if (row === undefined && !alive) {
    if (record) await removeMountRecord(env, record)
    throw refusal(`nothing is mounted on '${mountPoint}'`, { code: 'path-not-found' })
  }
  if (alive) process.kill(record.process.pid, 'SIGTERM')
  const ended = alive && (await ends(record, context))
  // Of a process that was killed, that hangs, or that another folder of state knows.
  await unmountFolder(mountPoint)
  if (record && !alive) await removeMountRecord(env, record)
  output.event({ type: 'unmounted', mountPoint })
  output.say(alive && !ended ? `Unmounted ${mountPoint}; process ${record.process.pid} has not ended yet.` : `Unmounted ${mountPoint}.`)
  return 0
}
