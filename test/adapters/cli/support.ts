import { Writable } from 'node:stream'

/** A stream that keeps what it is given; with `columns` it passes for a terminal. */
export interface Sink extends Writable {
  readonly isTTY: boolean
  readonly columns: number
  text(): string
}

export function createSink(options: { readonly tty?: boolean } = {}): Sink {
  let held = ''
  const stream = new Writable({
    write(chunk, _encoding, done) {
      held += String(chunk)
      done()
    },
  })
  return Object.assign(stream, { isTTY: options.tty ?? false, columns: 80, text: () => held })
}
