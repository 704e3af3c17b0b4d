/** Options every asynchronous operation accepts. */
export interface CallOptions {
  /** Ends the operation early; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal
}
