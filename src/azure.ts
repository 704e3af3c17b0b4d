/** Azure Blob Storage (`score-sdk/azure`). Loads `@azure/storage-blob` when a store is first used. */

export type { AzureBackendOptions, AzureTokenCredential } from './storage/azure/azure-options.ts'
export { createAzureBackend } from './storage/azure/backend.ts'
export { type AzureStore, azureDeviations } from './storage/azure/deviations.ts'
