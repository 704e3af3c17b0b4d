import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'

export type DoomedChild = ChildProcessByStdio<null, Readable, null>

/** A TypeScript file as a process of its own (and group, so that the compiler's helper process dies with it). */
export function startDoomed(script: string, ...args: readonly string[]): DoomedChild {
  const child = spawn(process.execPath, ['--import', 'tsx', script, ...args], { stdio: ['ignore', 'pipe', 'inherit'], detached: true })
  const onExit = (): void => killGroup(child)
  process.once('exit', onExit)
  child.once('close', () => process.off('exit', onExit))
  return child
}

function killGroup(child: DoomedChild): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    // It has ended already.
  }
}

/** `kill -9`, and waits until the process is gone. */
export async function killHard(child: DoomedChild): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const closed = once(child, 'close')
  child.stdout.resume()
  killGroup(child)
  await closed
}
