import type { Context, Middleware } from 'koa'
import { isScoreError, type LegacyProblemContext, legacyProblem, problemDocument, ScoreError } from '../../src/index.ts'
import { answerProblem } from './answers.ts'
import { noteFailure } from './request-event.ts'

/** Of a request that Koa or the router could not read, such as a path with a broken escape. */
function isBadRequest(error: unknown): error is Error & { readonly status: number } {
  return error instanceof Error && 'status' in error && error.status === 400
}

function asScoreError(error: unknown): ScoreError {
  if (isScoreError(error)) return error
  if (isBadRequest(error)) return new ScoreError('invalid-request', 'the request cannot be read: its path or query is malformed')
  return new ScoreError('internal', 'something went wrong inside the server; its log says what')
}

/** Path of a request as it was sent, without query. */
export function requestPath(ctx: Context): string {
  return ctx.originalUrl.split('?', 1)[0] as string
}

/**
 * Turns failures into answers: of the old routes (`legacyProblem`), or, where a route has set the state `modern`, RFC 9457
 * documents (`problemDocument`).
 */
export function createProblemMiddleware(now: () => number): Middleware {
  return async (ctx, next) => {
    try {
      await next()
    } catch (error) {
      noteFailure(ctx, error)
      const right: unknown = ctx.state['right']
      const context: LegacyProblemContext = {
        path: requestPath(ctx),
        now: now(),
        tokenSent: /^Bearer\b/i.test(ctx.get('Authorization').trim()),
        ...(right === 'upload' || right === 'download' ? { right } : {}),
      }
      const failure = asScoreError(error)
      await answerProblem(ctx, ctx.state['modern'] === true ? problemDocument(failure, context) : legacyProblem(failure, context))
    }
  }
}
