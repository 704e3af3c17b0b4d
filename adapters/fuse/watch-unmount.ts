import { mountedAt } from './mount-table.ts'

/** Looks whether a mount was taken away, of which nobody tells the process that serves it, and tells of it once. */
export function watchUnmount(mountPoint: string, everyMs: number, onUnmount: () => void): { stop(): void } {
  const stop = (): void => clearInterval(timer)
  const timer = setInterval(() => {
    mountedAt(mountPoint).then(
      (row) => {
        if (row !== undefined) return
        stop()
        onUnmount()
      },
      () => undefined,
    )
  }, everyMs)
  timer.unref()
  return { stop }
}
