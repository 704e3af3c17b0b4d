import { constants } from 'node:os'
import { ScoreError } from '../../src/index.ts'
import { errorNumberOf } from './errno.ts'

export interface AnswerOptions {
  /** Second line of defence, behind the mount's own limit: an answer is given within this. */
  readonly answerMs: number
  /** Told of failures whose cause no program is told: EIO, ESTALE, EACCES and EMFILE. */
  readonly onProblem?: (error: unknown, operation: string, path: string) => void
}

const { EIO, ESTALE, EACCES, EMFILE } = constants.errno
const worthTelling: ReadonlySet<number> = new Set([EIO, ESTALE, EACCES, EMFILE])

/** What work may ask of the request that it answers. */
export interface Question {
  /** False once the answer was given: the asker's memory is no longer ours. */
  alive(): boolean
}

export type Answering = <Result>(
  operation: string,
  path: string,
  /** `error` is 0 or a negative error number. */
  reply: (error: number, result?: Result) => void,
  work: (question: Question) => Promise<Result>,
) => void

/** What is going on: answers that are owed, and questions since the beginning. */
export interface AnswerActivity {
  readonly owed: number
  readonly asked: number
}

export interface Answers {
  readonly answer: Answering
  activity(): AnswerActivity
}

/**
 * Turns work into one answer: never none, never two, never late, and always a number, also when the work throws, rejects
 * with no error, or does not end.
 */
export function createAnswers({ answerMs, onProblem }: AnswerOptions): Answers {
  let owed = 0
  let asked = 0
  const tell = (error: unknown, operation: string, path: string): void => {
    try {
      onProblem?.(error, operation, path)
    } catch {
      // A listener that fails must not keep a program waiting.
    }
  }
  const answer: Answering = <Result>(
    operation: string,
    path: string,
    reply: (error: number, result?: Result) => void,
    work: (question: Question) => Promise<Result>,
  ): void => {
    let alive = true
    owed += 1
    asked += 1
    const done = (error: number, result?: Result): void => {
      if (!alive) return
      alive = false
      owed -= 1
      clearTimeout(timer)
      reply(error, result)
    }
    const fail = (error: unknown): void => {
      const number = errorNumberOf(error)
      if (worthTelling.has(number)) tell(error, operation, path)
      done(-number)
    }
    const late = (): void => fail(new ScoreError('unavailable', `${operation} of '${path}' was not answered within ${answerMs / 1000} s`))
    const timer = setTimeout(late, answerMs)
    // Begun in a promise, so that what throws at once fails like the rest.
    Promise.resolve({ alive: () => alive })
      .then(work)
      .then((result) => done(0, result), fail)
  }
  return { answer, activity: () => ({ owed, asked }) }
}
