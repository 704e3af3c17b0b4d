import { closeSync, openSync, writeSync } from 'node:fs'
import { refusal } from './refusal.ts'

/** Lines of JSON about a mount, without tokens and signatures. */
export interface MountLog {
  tell(event: string, fields?: Readonly<Record<string, unknown>>): void
  close(): void
}

export interface MountLogOptions {
  /** Absolute. Absent: nothing is written. */
  readonly path: string | undefined
  readonly redact: (text: string) => string
  readonly now: () => number
}

/** @throws a refusal when the file cannot be written. */
export function openMountLog({ path, redact, now }: MountLogOptions): MountLog {
  if (path === undefined) return { tell: () => undefined, close: () => undefined }
  const descriptor = ((): number => {
    try {
      return openSync(path, 'a', 0o600)
    } catch (error) {
      throw refusal(`the log ${path} cannot be written: ${error instanceof Error ? error.message : String(error)}`, {
        code: 'local-storage',
      })
    }
  })()
  let open = true
  return {
    tell(event, fields = {}) {
      if (!open) return
      const line = redact(JSON.stringify({ time: new Date(now()).toISOString(), event, ...fields }))
      try {
        writeSync(descriptor, `${line}\n`)
      } catch {
        // A log that is full must not end the mount that it tells of.
      }
    },
    close() {
      open = false
      closeSync(descriptor)
    },
  }
}
