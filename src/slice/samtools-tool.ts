import { type ChildProcess, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import { redactText } from '../core/redact.ts'

export interface SamtoolsOptions {
  /** The program: a path, or a name that is looked for in PATH. Default `samtools`. */
  readonly command?: string
  /**
   * FASTA file that CRAM is written against, with its `.fai` beside it. Without one CRAM is written that needs no reference,
   * and takes more room.
   */
  readonly reference?: string
  /** Default: this process's, with reference downloads (`REF_PATH`) off unless they are set there. */
  readonly environment?: NodeJS.ProcessEnv
}

/** An installed samtools, for what is not done here: encoding CRAM records. */
export interface SamtoolsTool {
  /**
   * Writes records, given as a BAM file, as CRAM; both are streamed.
   *
   * @throws `invalid-request` when the program is not there; `invalid-format` with what it says when it fails. What came out
   *   before has no EOF container then.
   */
  encodeCram(bam: AsyncIterable<Uint8Array>, options?: CallOptions): AsyncGenerator<Uint8Array>
}

/** More than the container that ends a file, so that this is not passed on before the program has ended well. */
const heldBytes = 64
const mostMessage = 2000

function notThere(command: string, cause: unknown): ScoreError<'invalid-request'> {
  return new ScoreError(
    'invalid-request',
    `CRAM with exactly these reads is written by samtools, and '${command}' cannot be started; install samtools, name it, or take BAM output, or whole containers of a CRAM file`,
    { cause },
  )
}

/** The end of what the program says about itself. */
function gatherText(stream: Readable): () => string {
  let text = ''
  stream.setEncoding('utf8')
  stream.on('data', (piece: string) => {
    text = (text + piece).slice(-mostMessage)
  })
  return () => redactText(text.trim().replace(/\s+/g, ' '))
}

interface Running {
  readonly child: ChildProcess & { readonly stdin: Writable; readonly stdout: Readable; readonly stderr: Readable }
  /** Ends with the program; rejects when it cannot be started. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
}

function start(command: string, args: readonly string[], environment: NodeJS.ProcessEnv | undefined): Running {
  // A samtools that finds no reference by itself asks a server for it; nobody asked for that.
  const env = environment ?? { ...process.env, REF_PATH: process.env['REF_PATH'] ?? '/dev/null' }
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env, windowsHide: true })
  const ended = new Promise<Awaited<Running['ended']>>((resolve, reject) => {
    child.once('error', (error) => reject(notThere(command, error)))
    child.once('close', (code, signal) => resolve({ code, signal }))
  })
  ended.catch(() => undefined)
  return { child, ended }
}

/** Passes everything on but the last bytes, which it gives back. */
async function* withoutEnd(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, Uint8Array> {
  let held: Uint8Array = new Uint8Array(0)
  for await (const piece of pieces) {
    const bytes = held.length > 0 ? Buffer.concat([held, piece]) : piece
    const length = Math.max(0, bytes.length - heldBytes)
    if (length > 0) yield bytes.subarray(0, length)
    held = bytes.slice(length)
  }
  return held
}

/** A pipe that broke because the program ended says less than the program. */
function isBrokenPipe(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'EPIPE' || code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE'
}

/** Finds nothing and starts nothing before it is used. Arguments never pass a shell. */
export function createSamtoolsTool(options: SamtoolsOptions = {}): SamtoolsTool {
  const { command = 'samtools', reference, environment } = options
  const format = reference === undefined ? ['--output-fmt', 'cram,no_ref=1'] : ['--output-fmt', 'cram', '--reference', reference]
  return {
    async *encodeCram(bam, { signal } = {}) {
      signal?.throwIfAborted()
      const { child, ended } = start(command, ['view', '--no-PG', ...format, '-o', '-', '-'], environment)
      const message = gatherText(child.stderr)
      const stop = (): void => void child.kill('SIGKILL')
      signal?.addEventListener('abort', stop, { once: true })
      // Where the input breaks off the program may end its output well; so how the input ended is looked at last.
      const fed = pipeline(bam, child.stdin).then(
        () => undefined,
        (error: unknown) => ({ error }),
      )
      try {
        const end = yield* withoutEnd(child.stdout)
        const { code } = await ended
        signal?.throwIfAborted()
        const failure = await fed
        if (failure && !isBrokenPipe(failure.error)) throw failure.error
        if (code !== 0 || failure)
          throw new ScoreError(
            'invalid-format',
            `samtools (${command}) ended with status ${code} before it wrote all reads: ${message() || 'it says nothing'}`,
          )
        yield end
      } finally {
        signal?.removeEventListener('abort', stop)
        if (child.exitCode === null && child.signalCode === null) stop()
        await Promise.allSettled([ended, fed])
      }
    },
  }
}
