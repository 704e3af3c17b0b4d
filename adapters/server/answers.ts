import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { createGzip, gzip } from 'node:zlib'
import type { Context } from 'koa'
import type { ProblemAnswer } from '../../src/index.ts'
import { vary } from './vary.ts'

const compress = promisify(gzip)

function wantsGzip(ctx: Context): boolean {
  vary(ctx, 'Accept-Encoding')
  return ctx.req.headers['accept-encoding'] !== undefined && ctx.acceptsEncodings('gzip', 'identity') === 'gzip'
}

/** JSON text, compressed whenever the client takes gzip, whatever the size; the type without charset, as the original. */
export async function answerJson(ctx: Context, json: string, contentType = 'application/json'): Promise<void> {
  ctx.res.setHeader('Content-Type', contentType)
  if (wantsGzip(ctx)) {
    ctx.set('Content-Encoding', 'gzip')
    ctx.body = await compress(Buffer.from(json))
  } else ctx.body = json
}

/** A bare text: `text/plain;charset=UTF-8`, or the same bytes as `application/json` for a client that prefers that. */
export function answerText(ctx: Context, text: string): void {
  const json = ctx.accepts('text/plain', 'application/json') === 'application/json'
  ctx.set('Content-Type', json ? 'application/json' : 'text/plain;charset=UTF-8')
  ctx.body = Buffer.from(text)
}

/** 200 with nothing in it, not even a type. */
export function answerEmpty(ctx: Context): void {
  ctx.status = 200
  ctx.body = Buffer.alloc(0)
  ctx.remove('Content-Type')
}

/** A failure, as the wire formats have it; a bare sentence takes the type that the client prefers, as recorded. */
export async function answerProblem(ctx: Context, problem: ProblemAnswer): Promise<void> {
  ctx.status = problem.status
  ctx.set(problem.headers)
  if (problem.contentType === undefined) {
    ctx.body = Buffer.alloc(0)
    ctx.remove('Content-Type')
  } else if (problem.contentType.includes('json')) {
    await answerJson(ctx, problem.body, problem.contentType)
  } else answerText(ctx, problem.body)
}

const batchCharacters = 64 * 1024

async function* jsonArray(rows: AsyncIterable<unknown>): AsyncGenerator<string> {
  let batch = '['
  let separator = ''
  for await (const row of rows) {
    batch += separator + JSON.stringify(row)
    separator = ','
    if (batch.length < batchCharacters) continue
    yield batch
    batch = ''
  }
  yield `${batch}]`
}

/**
 * A JSON array of any length, sent while it is made. The first row is waited for, so that a failure before it becomes a
 * proper answer; one after it cuts the connection, which no client takes for the end of the list.
 */
export async function answerJsonArray(ctx: Context, rows: AsyncIterable<unknown>): Promise<void> {
  const iterator = rows[Symbol.asyncIterator]()
  const first = await iterator.next()
  async function* all(): AsyncGenerator<unknown> {
    if (first.done) return
    yield first.value
    yield* { [Symbol.asyncIterator]: () => iterator }
  }
  ctx.set('Content-Type', 'application/json')
  const text = Readable.from(jsonArray(all()))
  if (!wantsGzip(ctx)) {
    ctx.body = text
    return
  }
  ctx.set('Content-Encoding', 'gzip')
  const zipped = createGzip()
  ctx.body = zipped
  // A failure destroys `zipped`, which is how Koa learns of it.
  pipeline(text, zipped).catch((error: Error) => zipped.destroy(error))
}
