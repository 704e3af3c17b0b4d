import { readFile, readlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import { errnoOf } from './file-error.ts'

/** Enough to tell, on the same machine, whether the process that wrote it still runs. */
export interface ProcessIdentity {
  readonly pid: number
  readonly host: string
  /** Changes with every boot and with every container; empty where the system does not tell. */
  readonly bootId: string
  /** When the process began, in the kernel's ticks; tells a reused pid. Empty where the system does not tell. */
  readonly processStart: string
}

async function procText(read: () => Promise<string>): Promise<string> {
  try {
    return (await read()).trim()
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    return ''
  }
}

/** State letter, threads and start of a process (proc_pid_stat(5), fields 3, 20 and 22); empty where the system does not tell. */
async function processStat(pid: number): Promise<{ readonly state: string; readonly threads: string; readonly start: string }> {
  const text = await procText(() => readFile(`/proc/${pid}/stat`, 'utf8'))
  // The command's name stands in parentheses and may hold spaces; fields count from after it.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return { state: fields[0] ?? '', threads: fields[17] ?? '', start: fields[19] ?? '' }
}

let own: Promise<ProcessIdentity> | undefined

async function readOwn(): Promise<ProcessIdentity> {
  const [boot, namespace, { start }] = await Promise.all([
    procText(() => readFile('/proc/sys/kernel/random/boot_id', 'utf8')),
    procText(() => readlink('/proc/self/ns/pid')),
    processStat(process.pid),
  ])
  return { pid: process.pid, host: hostname(), bootId: boot && `${boot} ${namespace}`, processStart: start }
}

/** Of the process that asks. */
export function ownProcess(): Promise<ProcessIdentity> {
  own ??= readOwn()
  return own
}

/** `unknown` for a process of another machine, boot or container. */
export async function processState(identity: ProcessIdentity): Promise<'alive' | 'dead' | 'unknown'> {
  const self = await ownProcess()
  if (identity.host !== self.host || identity.bootId !== self.bootId) return 'unknown'
  try {
    process.kill(identity.pid, 0)
  } catch (error) {
    if (errnoOf(error) === 'ESRCH') return 'dead'
    if (errnoOf(error) !== 'EPERM') throw error
  }
  const { state, threads, start } = await processStat(identity.pid)
  // Killed, and its parent has not asked after it yet: in a container without an init, perhaps it never will. While
  // other threads are still on their way out, one of them may be in the middle of a write.
  if (state === 'X' || (state === 'Z' && Number(threads) <= 1)) return 'dead'
  return identity.processStart !== '' && start !== '' && start !== identity.processStart ? 'dead' : 'alive'
}
