import assert from 'node:assert/strict'
import { isScoreError, type ProblemCode, type ScoreError } from '../core/errors.ts'

/** One promise of a port, as a check to be run by any test runner. */
export interface ContractCase {
  readonly name: string
  /** Rejects with what is wrong. */
  run(): Promise<void>
}

/** A promise that an implementation knowingly does not keep. */
export interface Deviation {
  readonly caseName: string
  /** Why, for the reader of the list. */
  readonly reason: string
  /** Whether it shows depends on who comes first, so the case may also pass. Default false: it must fail. */
  readonly byChance?: boolean
}

/** The body of a case, before it is bound to a subject. */
export interface CaseDefinition<Subject> {
  readonly name: string
  readonly check: (subject: Subject) => Promise<void>
}

/** What a factory gives: a fresh subject, or one that many cases share. */
export interface Closable {
  close?(): Promise<void>
}

async function mayFail(run: () => Promise<void>, deviation: Deviation): Promise<void> {
  const passed = await run().then(
    () => true,
    () => false,
  )
  assert.ok(
    !passed || deviation.byChance === true,
    `'${deviation.caseName}' is listed as a deviation ("${deviation.reason}"), but it passes: take it off the list`,
  )
}

/**
 * Binds definitions to a factory. A case that is listed as a deviation must fail, and every listed name must be a
 * case's: a list that is out of date is a failure of its own.
 */
export function bindCases<Subject extends Closable>(
  name: string,
  definitions: readonly CaseDefinition<Subject>[],
  factory: () => Promise<Subject>,
  deviations: readonly Deviation[] = [],
): ContractCase[] {
  const bound = definitions.map(({ name: caseName, check }): ContractCase => {
    const run = async (): Promise<void> => {
      const subject = await factory()
      try {
        await check(subject)
      } finally {
        await subject.close?.()
      }
    }
    const deviation = deviations.find((one) => one.caseName === caseName)
    return { name: `${name}: ${caseName}`, run: deviation ? () => mayFail(run, deviation) : run }
  })
  const known = new Set(definitions.map((one) => one.name))
  const listed: ContractCase = {
    name: `${name}: every listed deviation names a case and a reason`,
    async run() {
      for (const { caseName, reason } of deviations) {
        assert.ok(known.has(caseName), `the deviation '${caseName}' names no case`)
        assert.ok(reason.trim() !== '', `the deviation '${caseName}' gives no reason`)
      }
    },
  }
  return [...bound, listed]
}

/** @returns the failure, when it is one of these codes. */
export async function expectProblem(work: () => Promise<unknown>, ...codes: readonly ProblemCode[]): Promise<ScoreError> {
  let result: unknown
  try {
    result = await work()
  } catch (error) {
    assert.ok(isScoreError(error, ...codes), `expected ${codes.join(' or ')}, got ${String(error)}`)
    return error
  }
  return assert.fail(`expected ${codes.join(' or ')}, got ${JSON.stringify(result)}`)
}

export async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}
