import { bindCases, type ContractCase, type Deviation } from './contract-case.ts'
import { downloadCases } from './score-download-cases.ts'
import { type ScoreBench, type ScoreSubject, scoreBench } from './score-subject.ts'
import { uploadCases } from './score-upload-cases.ts'

export interface ScoreContractOptions {
  /** Promises that this service knowingly does not keep; each must fail. */
  readonly deviations?: readonly Deviation[]
}

/**
 * Every promise of `ScoreApi` as cases for any test runner: kept by the service in process and by the client that speaks
 * to it over HTTP alike.
 *
 * @param factory called for each case; may give the same service again and again, for cases register objects of their own.
 */
export function scoreApiContract(name: string, factory: () => Promise<ScoreSubject>, options: ScoreContractOptions = {}): ContractCase[] {
  return bindCases<ScoreBench>(name, [...uploadCases, ...downloadCases], async () => scoreBench(await factory()), options.deviations)
}
