import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import type { ProblemCode } from '../../src/index.ts'
import type { CommandContext } from './context.ts'
import { refusal } from './refusal.ts'

/** What the process in the background says to the one that waits for it. */
export type DaemonWord =
  | { readonly kind: 'ready'; readonly event: Readonly<Record<string, unknown>>; readonly lines: readonly string[] }
  | { readonly kind: 'failed'; readonly code: ProblemCode; readonly message: string }

const mark = 'SCORE_MOUNT_DAEMON'

/** Whether this process was started by {@link startDaemon}. */
export function isDaemon({ env }: CommandContext): boolean {
  return env[mark] === '1' && process.send !== undefined
}

/** To the process that waits. Then each goes its way. */
export function tellParent(word: DaemonWord): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) return resolve()
    process.send(word, () => {
      if (process.connected) process.disconnect()
      resolve()
    })
  })
}

/**
 * Runs the same command again in the background, in a session of its own, and waits until it is ready.
 *
 * @param errors file that takes what libraries write to stderr
 * @throws what the process in the background says went wrong.
 */
export async function startDaemon(errors: string, context: CommandContext): Promise<Extract<DaemonWord, { readonly kind: 'ready' }>> {
  const descriptor = openSync(errors, 'a', 0o600)
  const [script = ''] = process.argv.slice(1)
  const child = spawn(process.execPath, [...process.execArgv, script, '--silent', ...context.argv], {
    cwd: context.cwd,
    env: { ...context.env, [mark]: '1' },
    detached: true,
    stdio: ['ignore', descriptor, descriptor, 'ipc'],
  })
  closeSync(descriptor)
  const stop = (): void => void child.kill('SIGTERM')
  context.signal.addEventListener('abort', stop, { once: true })
  try {
    const word = await new Promise<DaemonWord>((resolve, reject) => {
      child.once('error', reject)
      child.once('message', (message) => resolve(message as DaemonWord))
      child.once('exit', (code, signal) =>
        reject(
          refusal(`the process in the background ended (${signal ?? `exit code ${code}`}) before the mount was ready; see ${errors}`, {
            frame: 'plain',
            code: 'internal',
          }),
        ),
      )
    })
    context.signal.throwIfAborted()
    if (word.kind === 'failed') throw refusal(word.message, { frame: 'plain', code: word.code })
    return word
  } finally {
    context.signal.removeEventListener('abort', stop)
    child.removeAllListeners('exit')
    if (child.connected) child.disconnect()
    child.unref()
  }
}
