import { bindCases, type ContractCase, type Deviation } from './contract-case.ts'
import { documentCases } from './storage-document-cases.ts'
import { multipartCases } from './storage-multipart-cases.ts'
import { type StorageSubject, type Workbench, workbench } from './storage-subject.ts'
import { uploadCases } from './storage-upload-cases.ts'
import { urlCases } from './storage-url-cases.ts'

export interface StorageContractOptions {
  /** Promises that this store knowingly does not keep; each must fail. */
  readonly deviations?: readonly Deviation[]
}

/**
 * Every promise of `StorageBackend` as cases for any test runner: `for (const { name, run } of cases) test(name, run)`.
 *
 * @param factory called for each case; may give the same store again and again, for cases use keys of their own.
 */
export function storageBackendContract(
  name: string,
  factory: () => Promise<StorageSubject>,
  options: StorageContractOptions = {},
): ContractCase[] {
  const definitions = [...documentCases, ...multipartCases, ...uploadCases, ...urlCases]
  return bindCases<Workbench>(name, definitions, async () => workbench(await factory()), options.deviations)
}
