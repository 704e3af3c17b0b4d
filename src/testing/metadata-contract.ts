import { bindCases, type ContractCase, type Deviation } from './contract-case.ts'
import { metadataReadCases } from './metadata-read-cases.ts'
import { metadataStateCases } from './metadata-state-cases.ts'
import { type MetadataBench, type MetadataSubject, metadataBench } from './metadata-subject.ts'
import { metadataSubmitCases } from './metadata-submit-cases.ts'

export interface MetadataContractOptions {
  /** Promises that this catalogue knowingly does not keep; each must fail. */
  readonly deviations?: readonly Deviation[]
}

/**
 * Every promise of `MetadataService` and `AnalysisRegistry` as cases for any test runner: kept by the embedded catalogue, by
 * our client of it over HTTP and, but for a list of deviations, by a real Song.
 *
 * @param factory called for each case; may give the same catalogue again and again, for cases make studies of their own.
 */
export function metadataContract(
  name: string,
  factory: () => Promise<MetadataSubject>,
  options: MetadataContractOptions = {},
): ContractCase[] {
  const cases = [...metadataReadCases, ...metadataSubmitCases, ...metadataStateCases]
  return bindCases<MetadataBench>(name, cases, async () => metadataBench(await factory()), options.deviations)
}
