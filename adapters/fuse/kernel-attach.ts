import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { ScoreError } from '../../src/index.ts'
import type { FileOwnership } from './file-stat.ts'
import { mountType } from './mount-point.ts'
import { mountedAt } from './mount-table.ts'

/** CAP_SYS_ADMIN, which mounting takes: root has it, and whoever is root in a user namespace has it there. */
const administration = 1n << 21n

/** Whether this process may mount without help. */
export function mayMount(status: string = readFileSync('/proc/self/status', 'latin1')): boolean {
  const [, effective = '0'] = /^CapEff:\s*([0-9a-f]+)/m.exec(status) ?? []
  return (BigInt(`0x${effective}`) & administration) !== 0n
}

/** @throws `invalid-configuration` with the ways out. */
export function requireMayMount(uid: number = process.getuid?.() ?? 0, status?: string): void {
  if (mayMount(status)) return
  const wayOut =
    uid === 0
      ? "start the container with --cap-add SYS_ADMIN, or the mount and its readers in a namespace: unshare -Urm sh -c '…'"
      : "use the driver fuse-native, which has fusermount do it, or start the mount and its readers in a namespace: unshare -Urm sh -c '…'"
  throw new ScoreError('invalid-configuration', `the driver kernel mounts by itself, which this user may not (CAP_SYS_ADMIN): ${wayOut}`)
}

export interface Attachment extends FileOwnership {
  readonly mountPoint: string
  /** Of /dev/fuse. */
  readonly descriptor: number
  readonly limitMs: number
}

function optionsOf({ owner, allowOther }: Attachment): string {
  return [
    'fd=3',
    'rootmode=40000',
    `user_id=${owner.uid}`,
    `group_id=${owner.gid}`,
    'default_permissions',
    'ro,nosuid,nodev',
    ...(allowOther ? ['allow_other'] : []),
  ].join(',')
}

/** Has mount(8) mount what answers on a descriptor. @throws `invalid-configuration` with what it says. */
export function attach(attachment: Attachment): Promise<void> {
  const { mountPoint, descriptor, limitMs } = attachment
  const args = ['-i', '-t', mountType, '-o', optionsOf(attachment), 'score', mountPoint]
  return new Promise((resolve, reject) => {
    const refuse = (why: string, cause?: unknown): void =>
      reject(new ScoreError('invalid-configuration', `'${mountPoint}' cannot be mounted: ${why}`, { cause }))
    const child = spawn('mount', args, {
      stdio: ['ignore', 'ignore', 'pipe', descriptor],
      timeout: limitMs,
      killSignal: 'SIGKILL',
    })
    let said = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    child.once('error', (error) => refuse(`the program 'mount' cannot be run (${error.message}); install the package mount`, error))
    child.once('close', (code, signal) => {
      if (code === 0) resolve()
      else refuse(said.trim() || `mount ended with ${signal ?? code}`)
    })
  })
}

const readAheadKilobytes = 1024

/**
 * Has the kernel read ahead as much as one request may hold; by itself it does an eighth of that. Only root may, and where
 * it is refused the mount is as good, and slower.
 */
export async function raiseReadAhead(mountPoint: string): Promise<void> {
  const row = await mountedAt(mountPoint)
  if (row === undefined) return
  const path = `/sys/class/bdi/${row.device}/read_ahead_kb`
  try {
    if (Number(await readFile(path, 'latin1')) < readAheadKilobytes) await writeFile(path, String(readAheadKilobytes))
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error
  }
}
