/** Contract suites for those who write drivers of their own. Plain cases: bring any test runner. */

export type { ContractCase, Deviation } from './testing/contract-case.ts'
export { type StorageContractOptions, storageBackendContract } from './testing/storage-backend-contract.ts'
export type { StorageSubject } from './testing/storage-subject.ts'
