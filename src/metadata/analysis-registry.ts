import type { CallOptions } from '../core/call-options.ts'
import type { AnalysisState } from './metadata-service.ts'

/** A file as an analysis holds it. */
export interface RegisteredFile {
  readonly objectId: string
  readonly fileName: string
  /** Bytes. */
  readonly size: number
  /** Lower-case hex. */
  readonly md5: string
  readonly access: string
  /** Such as `BAM`; see {@link fileTypeOf}. */
  readonly type: string
}

export interface Analysis {
  readonly analysisId: string
  readonly study: string
  readonly state: AnalysisState
  /** Name of its {@link AnalysisType}. */
  readonly type: string
  readonly files: readonly RegisteredFile[]
}

/** A kind of analysis that a catalogue accepts. */
export interface AnalysisType {
  readonly name: string
  readonly version: number
  /** File types it takes; empty = any. */
  readonly fileTypes: readonly string[]
  /** Top-level keys a payload must have, such as `studyId`, `files`, `samples`. */
  readonly required: readonly string[]
}

/**
 * What is sent to register an analysis: Song's own document, open for whatever a site's schema adds
 * (song.md 1.6). `studyId`, `analysisType` and `files` are always there.
 */
export type AnalysisPayload = Readonly<Record<string, unknown>>

export interface SubmitOptions extends CallOptions {
  /** Accept files whose MD5 is registered already. Default false. */
  readonly allowDuplicates?: boolean
}

export interface PublishOptions extends CallOptions {
  /** Publish although the store does not know the MD5 of an object. Default false. */
  readonly ignoreUndefinedMd5?: boolean
}

/**
 * The write side of a catalogue: analyses are submitted, then published once their objects are stored. Spoken by the
 * embedded catalogue and, over HTTP, by a Song.
 *
 * Every call may throw `unavailable`, `unauthenticated` and `access-denied` besides what is named;
 * `analysis-not-found` also stands for an analysis of another study.
 */
export interface AnalysisRegistry {
  /** Makes the study unless it is there. */
  ensureStudy(study: string, options?: CallOptions): Promise<void>
  /**
   * Registers an UNPUBLISHED analysis and its files.
   *
   * @throws `invalid-request` when the payload breaks its schema, each complaint beginning with a JSON pointer;
   *   `catalogue-conflict` when one of the MD5s is registered already; `analysis-not-found` for an unknown study.
   */
  submit(study: string, payload: AnalysisPayload, options?: SubmitOptions): Promise<{ readonly analysisId: string }>
  /** @throws `analysis-not-found`. */
  analysis(study: string, analysisId: string, options?: CallOptions): Promise<Analysis>
  /** The files of an analysis, never none. @throws `analysis-not-found`. */
  files(study: string, analysisId: string, options?: CallOptions): Promise<readonly RegisteredFile[]>
  /**
   * Makes its objects downloadable. Repeating it is safe.
   *
   * @throws `catalogue-conflict` when an object is not stored, or not as registered; `analysis-not-found`;
   *   `analysis-state` where a suppressed analysis stays so.
   */
  publish(study: string, analysisId: string, options?: PublishOptions): Promise<void>
  /** @throws `analysis-not-found`; `analysis-state` when it is suppressed. */
  unpublish(study: string, analysisId: string, options?: CallOptions): Promise<void>
  /** Withdraws it for good. @throws `analysis-not-found`. */
  suppress(study: string, analysisId: string, options?: CallOptions): Promise<void>
  /** The study an analysis belongs to. @throws `analysis-not-found`. */
  studyOf(analysisId: string, options?: CallOptions): Promise<string>
  /** The analyses of a study that are in this state; none when there is no such study. */
  analyses(study: string, state: AnalysisState, options?: CallOptions): Promise<readonly Analysis[]>
  /** The latest version of each. */
  analysisTypes(options?: CallOptions): Promise<readonly AnalysisType[]>
}
