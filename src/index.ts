/** The public entry: named exports grouped by layer, no logic, no `export *`. */

// api
export type { DownloadQuery, ObjectInfo, ObjectUrl, OpenUpload, ScoreApi } from './api/score-api.ts'
// auth
export type { AccessRequest, Authorizer, Identity, TokenVerifier } from './auth/authorizer.ts'
export { type CachedVerifierOptions, createCachedVerifier } from './auth/cached-verifier.ts'
export { type DeviceLogin, type LoginClient, type LoginTokens, refreshLogin, revokeLogin, startDeviceLogin } from './auth/device-login.ts'
export type { EndpointOptions } from './auth/endpoint.ts'
export type { IntrospectionDialect } from './auth/introspection-dialects.ts'
export { createIntrospectionVerifier, type IntrospectionVerifierOptions } from './auth/introspection-verifier.ts'
export { type ConfiguredVerifier, createJwtVerifier, type JwtVerifierOptions } from './auth/jwt-verifier.ts'
export { type AuthDecision, createObservedAuthorizer, type ObservedAuthorizerOptions } from './auth/observed-authorizer.ts'
export { createOpenAuthorizer } from './auth/open-authorizer.ts'
export { defaultScopePolicy, type ScopePolicy, type ScopeRule, type StudyScopeName } from './auth/scope-policy.ts'
export { createStaticTokenVerifier, type StaticTokenOptions } from './auth/static-token-verifier.ts'
export { createStudyAuthorizer, type StudyAuthorizerDependencies } from './auth/study-authorizer.ts'
export type { KeyPlace } from './auth/token-keys.ts'
export { createTokenRouter, type TokenRoutes } from './auth/token-router.ts'
export type { ClaimPath } from './auth/token-scopes.ts'
export { createUmaVerifier, type UmaVerifierOptions } from './auth/uma-verifier.ts'
// bytes
export { type ByteSource, type PourOptions, readBytes } from './bytes/byte-source.ts'
export { type CachedSourceOptions, createCachedSource } from './bytes/cached-source.ts'
export { type DiskCache, type DiskCacheOptions, type DiskCacheStatistics, openDiskCache } from './bytes/disk-cache.ts'
export { createFileSource } from './bytes/file-source.ts'
export { createHttpSource, type HttpSourceOptions } from './bytes/http-source.ts'
export { createMemorySource } from './bytes/memory-source.ts'
export type { ObjectSource, ObjectVersion } from './bytes/object-source.ts'
export type { PageCacheOptions, PageCacheStatistics, ReadOptions } from './bytes/page-cache.ts'
export type { SignedUrl } from './bytes/signed-ranges.ts'
// client
export { createScoreClient, type ScoreClientOptions } from './client/score-client.ts'
// compose
export { type CachedListing, type CachedListingOptions, createCachedListing } from './compose/cached-listing.ts'
export { type ConfigDocument, type ConfigText, parseConfigText, profilesMatch, resolvePlaceholders } from './compose/config-text.ts'
export { loadOrCreateToken } from './compose/data-folder.ts'
export { type EmbeddedOptions, type EmbeddedScore, openEmbeddedScore } from './compose/embedded.ts'
export { createObjectOpener, type ObjectOpener, type ObjectOpenerOptions } from './compose/object-opener.ts'
export {
  createObjectSource,
  type ObjectReads,
  type ObjectReadsDependencies,
  type ObjectSourceOptions,
  openObjectReads,
} from './compose/object-reads.ts'
export { type OpenedScore, type OpenScoreOptions, openScore } from './compose/open-score.ts'
export { readsIndexNames } from './compose/reads-index.ts'
export type { CheckOptions, CheckOutcome, ScoreCheck } from './compose/score-checks.ts'
export { readServerConfig, type ServerConfigInput, type ServerConfigResult } from './compose/server-config.ts'
export type { NoEffect, ServerSettingKey, ServerSettingSpec } from './compose/server-setting-table.ts'
export {
  type ConfigFinding,
  describeSettingSource,
  type ServerConfig,
  type ServerSetting,
  type ServerSettingSource,
  serverSettingKeys,
  serverSettingOf,
  shownSetting,
} from './compose/server-settings.ts'
// core
export type { ByteRange } from './core/byte-range.ts'
export type { CallOptions } from './core/call-options.ts'
export { isScoreError, type ProblemCode, problems, ScoreError, toScoreError } from './core/errors.ts'
export type { ObjectSpec, Part, PartDialect, PartReceipt, SignedPart, UploadProgress, UploadRef } from './core/object-spec.ts'
export { type PartPlanOptions, planParts } from './core/part-plan.ts'
export { type PoolOptions, runPool } from './core/pool.ts'
export type { ProgressEvent, ProgressSink } from './core/progress.ts'
export { maskSecret, redactText, redactUrl } from './core/redact.ts'
export { createRegionParser, formatRegion, mergeRegions, parseBed, type Region, unboundedEnd, unplacedReference } from './core/region.ts'
export type { RetryNotice, RetryPolicy } from './core/retry.ts'
// files
export { writeFileAtomic } from './files/atomic-write.ts'
export { acquireLock, type FileLock, type LockOptions } from './files/lock-file.ts'
export { type MakeFolderOptions, makeFolder } from './files/make-folder.ts'
export { ownProcess, type ProcessIdentity, processState } from './files/process-identity.ts'
export { writeFilePieces } from './files/write-pieces.ts'
// formats
export { encodeBai } from './formats/bai.ts'
export { type BamHeader, type BamReference, decodeBamHeader, encodeBamHeader } from './formats/bam-header.ts'
export { type BamReader, createBamReader, type EncodedRecord } from './formats/bam-reader.ts'
export { type ArrayTagType, type BamRecord, type BamTag, recordFlags } from './formats/bam-record.ts'
export { decodeBamRecord, encodeBamRecord, type RecordCore, readRecordCore } from './formats/bam-record-codec.ts'
export { type BamWriter, type BamWriterOptions, createBamWriter, type WrittenBam } from './formats/bam-writer.ts'
export type { BgzfBlock, Compression } from './formats/bgzf-block.ts'
export { type BgzfPiece, type BgzfReader, type BgzfReaderOptions, createBgzfReader } from './formats/bgzf-reader.ts'
export { type BgzfWriter, type BgzfWriterOptions, type ByteSink, createBgzfWriter, type WritePosition } from './formats/bgzf-writer.ts'
export type { BinningScheme } from './formats/binning.ts'
export {
  type BinningIndex,
  chunksOverlapping,
  type ReferenceIndex,
  type ReferenceStatistics,
  unplacedStart,
} from './formats/binning-index.ts'
export type { Chunk } from './formats/chunk.ts'
export { type CigarCode, type CigarOperation, formatCigar, parseCigar } from './formats/cigar.ts'
export { type CraiEntry, type CramIndex, encodeCrai, parseCrai } from './formats/crai.ts'
export { csiSchemeFor, encodeCsi } from './formats/csi.ts'
export { type EncodedIndex, encodeIndex } from './formats/encode-index.ts'
export { createFastaReference, type FastaOptions, type FastaSources, type ReferenceSequences } from './formats/fasta.ts'
export { parseIndex } from './formats/parse-index.ts'
export { formatSamRecord } from './formats/sam-text.ts'
export type { VirtualOffset } from './formats/virtual-offset.ts'
// http
export type { TokenReader, TokenSource } from './http/http-exchange.ts'
export { type Network, type Proxies, proxiesOfEnvironment } from './http/network.ts'
export { createNetworkFetch } from './http/network-fetch.ts'
export { createRenewingToken, type RenewingTokenOptions, type TimedToken } from './http/renewing-token.ts'
// metadata
export type {
  Analysis,
  AnalysisPayload,
  AnalysisRegistry,
  AnalysisType,
  PublishOptions,
  RegisteredFile,
  SubmitOptions,
} from './metadata/analysis-registry.ts'
export { type CachedMetadataOptions, createCachedMetadata } from './metadata/cached-metadata.ts'
export type { Catalogue, CatalogueDocuments, CatalogueOptions, EntityQuery, StoredObjectState } from './metadata/catalogue/catalogue.ts'
export { openCatalogue } from './metadata/catalogue/open-catalogue.ts'
export { dataTypeOf, fileTypeOf } from './metadata/file-type.ts'
export { findAnalysis } from './metadata/find-analysis.ts'
export type { AnalysisState, Entity, EntityFilter, FileRecord, MetadataService } from './metadata/metadata-service.ts'
export { type CatalogueCall, observeMetadata } from './metadata/observed-metadata.ts'
export { type LocalFile, type RegisterFilesRequest, type Registration, registerFiles } from './metadata/register-files.ts'
export { type SongErrorId, songError, songErrorId, songErrors } from './metadata/song-error.ts'
export { createSongMetadata, type SongMetadata, type SongMetadataOptions } from './metadata/song-metadata.ts'
export { formatUploadManifest, type UploadManifestEntry } from './metadata/upload-manifest.ts'
// mount
export { createFileTree, type FileTree, type FileTreeOptions, type TreeReport } from './mount/file-tree.ts'
export {
  createFuseMount,
  type FileAttributes,
  type FileSystemStatus,
  type FolderEntry,
  type FuseMount,
  type FuseMountOptions,
  type MountStatistics,
} from './mount/fuse-mount.ts'
export { defaultMountLimits, type MountLimits } from './mount/open-files.ts'
export type { OpenObject, OpenObjectOptions } from './mount/shared-sources.ts'
export type { TreeLayout } from './mount/tree-layout.ts'
export type { FileNode, FolderNode, RenamedFile, TreeNode, TreeObject } from './mount/tree-node.ts'
export type { LeftOut, ObjectSelection, TreeObjectsDependencies } from './mount/tree-objects.ts'
// objects
export { cutSpec } from './objects/downloads.ts'
export { createObjectStates, type ObjectState, type ObjectStates } from './objects/object-states.ts'
export { createPresignService, type PresignService, type PresignServiceOptions } from './objects/presign-service.ts'
export { createScoreService, type ScoreService, type ScoreServiceOptions } from './objects/score-service.ts'
export { type SweepOptions, sweepStaleUploads, sweepStaleUploadsOnce } from './objects/stale-uploads.ts'
// slice
export type { BamSlice, BamSlicer, SlicedRecord, SliceOptions, SlicePlan } from './slice/bam-slicer.ts'
export { type BuildIndexOptions, buildBamIndex } from './slice/build-bam-index.ts'
export { type BuildCramIndexOptions, buildCramIndex } from './slice/build-cram-index.ts'
export { countRegions, type RegionCount } from './slice/count-regions.ts'
export { createSlicer as createBamSlicer, type SlicerSources } from './slice/create-slicer.ts'
export { type FlagCounts, formatFlagCounts, type PassedAndFailed } from './slice/flag-counts.ts'
export { flagstat } from './slice/flagstat.ts'
export { type MergeInput, type MergeOptions, mergeSlices } from './slice/merge-slices.ts'
export type { Ga4ghRegion, RegionInput, RegionSelection } from './slice/place-regions.ts'
export type { SliceProgram } from './slice/program-line.ts'
export { type QuickCheck, quickCheck } from './slice/quick-check.ts'
export { formatReferenceCounts, type ReferenceCount } from './slice/reference-counts.ts'
export { createSamtoolsTool, type SamtoolsOptions, type SamtoolsTool } from './slice/samtools-tool.ts'
export type { BamSlicerOptions, BamSlicerSources, ReadSelection } from './slice/slice-preparation.ts'
export type { BatchOptions, CramOutputOptions, CramSlice, PlainOutputOptions, PlanOptions, Slicer } from './slice/slicer.ts'
// storage
export { createLocalBackend, type LocalBackend, type LocalBackendOptions } from './storage/local/backend.ts'
export { createLocalDataPlane, type LocalDataPlane, type LocalDataPlaneOptions } from './storage/local/data-plane.ts'
export type { DataPlaneRequest } from './storage/local/data-plane-request.ts'
export type { DataPlaneAnswer } from './storage/local/s3-answer.ts'
export { loadOrCreateSigningKey } from './storage/local/signed-url.ts'
export { createMemoryBackend, type MemoryBackend, type MemoryBackendOptions } from './storage/memory/backend.ts'
export { type Candidates, createObjectLayout, type ObjectLayout, type ObjectLayoutOptions } from './storage/object-layout.ts'
export { observeBackend, type StoreCall } from './storage/observed-backend.ts'
export { createRetryingBackend, type RetryingBackendOptions } from './storage/retrying-backend.ts'
export type {
  CompleteOptions,
  GetOptions,
  ListedObject,
  ListPartsOptions,
  MultipartRef,
  ObjectAddress,
  ObjectStat,
  OpenMultipart,
  PresignedUrl,
  PresignRequest,
  StorageBackend,
  StoredPart,
} from './storage/storage-backend.ts'

// transfer
export {
  type DownloadManifestRow,
  type ManifestOptions,
  manifestError,
  parseDownloadManifest,
  parseUploadManifest,
  type UploadManifestRow,
} from './transfer/manifest.ts'
export {
  type ManifestResource,
  type ManifestText,
  manifestResource,
  type ReadManifestOptions,
  readManifest,
} from './transfer/manifest-resource.ts'
export type { FetchedPart, FetchPart, PartTransport, SendPart, SentPart } from './transfer/part-transport.ts'
export { safeFileName } from './transfer/target-name.ts'
export { createTransferEngine, defaultConcurrency, type TransferEngineOptions } from './transfer/transfer-engine.ts'
export { defaultFiles } from './transfer/transfer-many.ts'
export type {
  DownloadTask,
  TransferEngine,
  TransferManyOptions,
  TransferManyResult,
  TransferOptions,
  TransferOutcome,
  TransferReceipt,
  TransferTask,
  UploadTask,
} from './transfer/transfer-task.ts'
export { createPartTransport, type PartTransportOptions } from './transfer/transport/create-part-transport.ts'
// wire
export {
  blocksDialect,
  directSpecToJson,
  type ExternalUrl,
  externalUrlToJson,
  objectInfoToJson,
  objectSpecToJson,
  uploadProgressToJson,
} from './wire/object-spec-json.ts'
export {
  errorBody,
  type LegacyProblemContext,
  legacyProblem,
  type ProblemAnswer,
  problemDocument,
  publicMessage,
} from './wire/problem-json.ts'
export { type Route, type RouteName, routes } from './wire/routes.ts'
