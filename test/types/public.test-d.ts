import { expectTypeOf } from 'expect-type'
import {
  type ByteSource,
  isScoreError,
  type Part,
  type ProblemCode,
  planParts,
  type ScoreApi,
  ScoreError,
  type TransferEngine,
} from '../../src/index.ts'

// Read by `tsc`, never run: what the compiler promises to users of the public entry.

expectTypeOf(planParts({ start: 0, end: 1 })).toEqualTypeOf<Part[]>()
expectTypeOf<Part>().toHaveProperty('range').toEqualTypeOf<{ readonly start: number; readonly end: number }>()

const caught: unknown = new ScoreError('object-not-found', 'gone')
if (isScoreError(caught, 'object-not-found', 'access-denied')) {
  expectTypeOf(caught.code).toEqualTypeOf<'object-not-found' | 'access-denied'>()
}
if (isScoreError(caught)) expectTypeOf(caught.code).toEqualTypeOf<ProblemCode>()

// @ts-expect-error: codes are a closed list
new ScoreError('no-such-code', 'x')

// Every asynchronous call takes a signal last.
expectTypeOf<Parameters<ByteSource['size']>[0]>().extract<object>().toHaveProperty('signal')
expectTypeOf<Parameters<ScoreApi['profile']>[0]>().extract<object>().toHaveProperty('signal')
expectTypeOf<TransferEngine['upload']>().returns.toExtend<Promise<unknown>>()
