/** Contract suites for those who write drivers of their own. Plain cases: bring any test runner. */

export type { ContractCase, Deviation } from './testing/contract-case.ts'
export { type MetadataContractOptions, metadataContract } from './testing/metadata-contract.ts'
export type { MetadataSubject } from './testing/metadata-subject.ts'
export { type ScoreContractOptions, scoreApiContract } from './testing/score-api-contract.ts'
export type { ScoreSubject } from './testing/score-subject.ts'
export { type StorageContractOptions, storageBackendContract } from './testing/storage-backend-contract.ts'
export type { StorageSubject } from './testing/storage-subject.ts'
