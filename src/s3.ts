/** Object stores that speak S3 (`score-sdk/s3`). Loads `@aws-sdk/client-s3` when a store is first used. */

export { createS3Backend } from './storage/s3/backend.ts'
export { type S3Store, s3Deviations } from './storage/s3/deviations.ts'
export type { S3BackendOptions, S3Credentials, S3Encryption } from './storage/s3/s3-options.ts'
