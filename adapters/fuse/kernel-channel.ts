import { close, closeSync, constants, openSync, read, writevSync } from 'node:fs'
import { promisify } from 'node:util'
import { ScoreError } from '../../src/index.ts'
import { encodeHeader, encodeWake } from './kernel-answers.ts'
import { rootNode } from './kernel-inodes.ts'

/** The kernel's device, as one mount of this process uses it. */
export interface KernelChannel {
  readonly descriptor: number
  /** Resolves when the kernel has let go of the mount. */
  readonly ended: Promise<void>
  /**
   * Begins to read; `receive` is given each request, in bytes that hold until it returns, and must not throw.
   *
   * @param files numbers of the files that the kernel holds: by one of them a waiting read is woken.
   */
  start(receive: (request: Uint8Array) => void, files: () => Iterable<number>): void
  /**
   * Answers a request.
   *
   * @param error 0 or a negative error number.
   * @returns false when the kernel did not want it any more: what it told of was not heard.
   */
  send(unique: number, error: number, pieces?: readonly Uint8Array[]): boolean
  /** Lets go of the kernel; what is still open on the mount fails from then on. Repeating it is safe. */
  stop(): Promise<void>
  /** As `stop`, for a process that is about to end, in which nothing asynchronous is done any more. */
  abandon(): void
}

export interface KernelChannelOptions {
  /** Told of answers that the kernel refused, and of a device that failed. */
  readonly onProblem: (error: unknown, operation: string) => void
}

/** The kernel refuses less than 8 KiB; what it forgets comes in bulk. */
const requestBytes = 64 * 1024
const notMountedMs = 5

const notMountedYet = 'EPERM'
/** The program took its request back before it was read, or a signal came in between. */
const askAgain: readonly (string | undefined)[] = ['ENOENT', 'EINTR', 'EAGAIN']
const letGo: readonly (string | undefined)[] = ['ENODEV', 'ECONNABORTED']

/** Waiting reads hold a thread each; files, names of hosts and the like need others. */
const threadsForOthers = 2
let waitingReads = 0

/** @throws `invalid-configuration` when as many wait as may. */
function requireThread(): void {
  const threads = Number(process.env['UV_THREADPOOL_SIZE'] ?? 4)
  if (waitingReads + threadsForOthers >= threads)
    throw new ScoreError(
      'invalid-configuration',
      `${waitingReads} mounts of the driver kernel are all that ${threads} threads of Node can serve; start it with UV_THREADPOOL_SIZE=${waitingReads + 1 + threadsForOthers} or more, or use the driver fuse-native`,
    )
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}

/**
 * Opens the device. One read waits in a thread of Node's pool; the next begins before what came is looked at, so the kernel
 * never waits for this process to be done with a request.
 *
 * @throws `invalid-configuration` when all threads that may wait do already.
 */
export function openKernelChannel({ onProblem }: KernelChannelOptions): KernelChannel {
  requireThread()
  const descriptor = openSync('/dev/fuse', constants.O_RDWR)
  waitingReads += 1
  let state: 'open' | 'stopping' | 'closed' = 'open'
  let waiting = false
  let end: () => void = () => undefined
  const ended = new Promise<void>((resolve) => {
    end = resolve
  })
  const buffers = [Buffer.allocUnsafeSlow(requestBytes), Buffer.allocUnsafeSlow(requestBytes)] as const

  const listen = (receive: (request: Uint8Array) => void, turn: 0 | 1): void => {
    if (state !== 'open') {
      end()
      return
    }
    const buffer = buffers[turn]
    waiting = true
    read(descriptor, buffer, 0, buffer.length, null, (error, count) => {
      waiting = false
      if (error === null) {
        listen(receive, turn === 0 ? 1 : 0)
        receive(buffer.subarray(0, count))
      } else if (notMountedYet === codeOf(error)) setTimeout(listen, notMountedMs, receive, turn)
      else if (askAgain.includes(codeOf(error))) listen(receive, turn)
      else {
        if (!letGo.includes(codeOf(error))) onProblem(error, 'reading /dev/fuse')
        end()
      }
    })
  }
  let filesHeld: () => Iterable<number> = () => []
  /** @returns false when the read goes on waiting, until the last program has closed what it has open. */
  const wake = (): boolean => {
    if (!waiting) return true
    for (const node of [...filesHeld(), rootNode]) {
      try {
        writevSync(descriptor, [encodeWake(node)])
        return true
      } catch (error) {
        // Where the kernel has let go, the read ends by itself.
        if (letGo.includes(codeOf(error))) return true
      }
    }
    return false
  }
  let stopped: Promise<void> | undefined
  const stop = async (): Promise<void> => {
    state = 'stopping'
    if (wake() && started) await ended
    state = 'closed'
    waitingReads -= 1
    await promisify(close)(descriptor)
  }
  let started = false
  return {
    descriptor,
    ended,
    start(receive, files) {
      started = true
      filesHeld = files
      listen(receive, 0)
    },
    send(unique, error, pieces = []) {
      if (state === 'closed') return false
      const bodyBytes = pieces.reduce((sum, { length }) => sum + length, 0)
      try {
        writevSync(descriptor, [encodeHeader(unique, error, bodyBytes), ...pieces])
        return true
      } catch (problem) {
        // Where the program was killed, or the mount is gone, nobody waits.
        if (codeOf(problem) !== 'ENOENT' && !letGo.includes(codeOf(problem))) onProblem(problem, 'answering the kernel')
        return false
      }
    },
    stop() {
      stopped ??= stop()
      return stopped
    },
    abandon() {
      if (state === 'closed') return
      state = 'closed'
      wake()
      closeSync(descriptor)
    },
  }
}
