import * as assert from 'uvu/assert'
import type { ClientRun } from './original-client.ts'

/** Compares what a user sees: the exit code, and a text in what the client says. */
export function expectRun(run: ClientRun, code: number, says: string | RegExp): void {
  const seen = `exit code ${run.code}\nstdout: ${run.stdout}\nstderr: ${run.stderr}`
  assert.is(run.code, code, seen)
  assert.ok(typeof says === 'string' ? run.stderr.includes(says) : says.test(run.stderr), `${says} not in\n${seen}`)
}
