import { constants } from 'node:os'
import type { FuseMount } from '../../src/index.ts'
import { type AnswerOptions, createAnswers } from './answers.ts'
import type { CacheSeconds } from './cache-seconds.ts'
import { errorNumberOf } from './errno.ts'
import type { FileOwnership } from './file-stat.ts'
import { agreeWith, isSettled } from './kernel-agreement.ts'
import { encodeAgreement } from './kernel-answers.ts'
import type { KernelChannel } from './kernel-channel.ts'
import { createKernelInodes } from './kernel-inodes.ts'
import { type AskedOfMount, createKernelOperations, type KernelReply } from './kernel-operations.ts'
import { decodeHeader, decodeQuestion, type KernelHeader, type KernelQuestion } from './kernel-requests.ts'
import { readAtHand } from './read-at-hand.ts'

export interface KernelSessionOptions extends FileOwnership, AnswerOptions {
  readonly mount: FuseMount
  readonly seconds: CacheSeconds
  readonly send: KernelChannel['send']
}

/** The kernel's side of one mount, in requests and answers. */
export interface KernelSession {
  /** Takes a request; never throws. Each that wants an answer gets one, in time. */
  receive(request: Uint8Array): void
  /** Numbers of the files that the kernel holds. */
  files(): Iterable<number>
  /** Resolves when the kernel and we speak the same protocol. @throws `invalid-configuration` when it is too old. */
  readonly agreed: Promise<void>
}

const { EAGAIN, EINTR, ENOSYS, EPROTO } = constants.errno

export function createKernelSession(options: KernelSessionOptions): KernelSession {
  const { mount, seconds, send, answerMs, onProblem, owner, allowOther } = options
  const answers = createAnswers({ answerMs, ...(onProblem ? { onProblem } : {}) })
  const inodes = createKernelInodes()
  const operate = createKernelOperations({ mount, inodes, seconds, owner, allowOther })
  /** Requests that are not answered. */
  const pending = new Map<number, AbortController>()
  let settle: { resolve(): void; reject(error: unknown): void } = { resolve: () => undefined, reject: () => undefined }
  const agreed = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject }
  })
  // It is nobody's concern once the mount was given up.
  agreed.catch(() => undefined)

  const pathOf = ({ node }: KernelHeader): string => inodes.find(node)?.path ?? `node ${node}`
  const agree = ({ unique }: KernelHeader, offer: Extract<KernelQuestion, { readonly kind: 'init' }>): void => {
    try {
      send(unique, 0, [encodeAgreement(agreeWith(offer))])
      if (isSettled(offer)) settle.resolve()
    } catch (error) {
      send(unique, -EPROTO)
      settle.reject(error)
    }
  }
  const interrupt = ({ unique }: KernelHeader, of: number): void => {
    const waiting = pending.get(of)
    // Not read yet, or answered already: the kernel knows, and asks again where it matters.
    if (waiting === undefined) send(unique, -EAGAIN)
    else {
      pending.delete(of)
      send(of, -EINTR)
      waiting.abort()
    }
  }
  const ask = (header: KernelHeader, question: AskedOfMount): void => {
    const { unique } = header
    const stop = new AbortController()
    pending.set(unique, stop)
    answers.answer<KernelReply | undefined>(
      question.kind,
      pathOf(header),
      (error, reply) => {
        // The one that was interrupted has its answer.
        const heard = pending.delete(unique) && send(unique, error, reply?.pieces)
        if (!heard) reply?.undo?.()
      },
      async ({ alive }) => {
        try {
          const reply = await operate(header, question, stop.signal)
          if (!alive()) reply.undo?.()
          return reply
        } catch (error) {
          if (stop.signal.aborted) return undefined
          throw error
        }
      },
    )
  }
  const isReadAtHand = ({ unique }: KernelHeader, question: AskedOfMount): boolean => {
    if (question.kind !== 'read') return false
    const { handle, offset, size } = question
    return readAtHand(mount, handle, { start: offset, end: offset + size }, (pieces) => void send(unique, 0, pieces))
  }
  const handle = (header: KernelHeader, question: KernelQuestion): void => {
    switch (question.kind) {
      case 'init':
        agree(header, question)
        break
      case 'forget':
        for (const forgotten of question.nodes) inodes.forget(forgotten)
        break
      case 'interrupt':
        interrupt(header, question.of)
        break
      case 'woken':
        break
      case 'destroy':
        send(header.unique, 0)
        break
      case 'unknown':
        // The kernel does without, and does not ask again.
        send(header.unique, -ENOSYS)
        break
      default:
        // What is in memory needs no promise and no timer: this is most of a reading in order.
        if (!isReadAtHand(header, question)) ask(header, question)
    }
  }
  return {
    agreed,
    files: inodes.files,
    receive(request) {
      let header: KernelHeader | undefined
      try {
        header = decodeHeader(request)
        handle(header, decodeQuestion(request))
      } catch (error) {
        onProblem?.(error, 'request', header === undefined ? '' : pathOf(header))
        if (header) send(header.unique, -errorNumberOf(undefined))
      }
    },
  }
}
