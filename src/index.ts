/** The public entry: named exports grouped by layer, no logic, no `export *`. */

// api
export type { DownloadQuery, ObjectInfo, ObjectUrl, OpenUpload, ScoreApi } from './api/score-api.ts'
// auth
export type { AccessRequest, Authorizer, Identity, TokenVerifier } from './auth/authorizer.ts'
// bytes
export { type ByteSource, readBytes } from './bytes/byte-source.ts'
// core
export type { ByteRange } from './core/byte-range.ts'
export type { CallOptions } from './core/call-options.ts'
export { isScoreError, type ProblemCode, problems, ScoreError } from './core/errors.ts'
export type { ObjectSpec, Part, PartReceipt, SignedPart, UploadProgress, UploadRef } from './core/object-spec.ts'
export { type PartPlanOptions, planParts } from './core/part-plan.ts'
export type { ProgressEvent, ProgressSink } from './core/progress.ts'
export { maskSecret, redactText, redactUrl } from './core/redact.ts'
// files
export { ownProcess, type ProcessIdentity, processState } from './files/process-identity.ts'
// metadata
export type { AnalysisState, Entity, EntityFilter, FileRecord, MetadataService } from './metadata/metadata-service.ts'
// storage
export type { StorageBackend } from './storage/storage-backend.ts'

// transfer
export type { FetchedPart, FetchPart, PartTransport, SendPart, SentPart } from './transfer/part-transport.ts'
