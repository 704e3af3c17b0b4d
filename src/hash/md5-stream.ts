/** MD5 of one sequence of bytes that arrives in slots. */
export interface Md5Stream {
  /**
   * Takes the first `length` bytes of a slot in. The slot must not change until the promise resolves. All but the last
   * `length` of a stream are multiples of 64.
   */
  update(slot: Buffer, length: number): Promise<void>
  /** Lower-case hex, once all that was given is hashed. The stream is over. */
  digest(): Promise<string>
  /** Gives the stream up: no slot of it is read from now on. Harmless after {@link Md5Stream.digest}. */
  cancel(): void
}
