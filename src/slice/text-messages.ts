import type { ProblemCode } from '../core/errors.ts'
import type { TextJob } from './text-jobs.ts'

/** To a thread: bytes of the file from `offset` on. */
export interface TextOrder extends Pick<TextJob, 'spans' | 'last'> {
  readonly id: number
  readonly bytes: Uint8Array
  readonly offset: number
}

/** From a thread. */
export type TextReport =
  | { readonly id: number; readonly texts: Uint8Array<ArrayBuffer>[] }
  | { readonly id: number; readonly failure: { readonly code: ProblemCode; readonly message: string } }
