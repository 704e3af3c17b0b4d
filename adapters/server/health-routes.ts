import type Router from '@koa/router'
import type { Context } from 'koa'
import type { ScoreService } from '../../src/index.ts'
import { answerJson } from './answers.ts'
import { noteFailure } from './request-event.ts'

async function isReady(ctx: Context, service: ScoreService): Promise<boolean> {
  try {
    await service.ready()
    return true
  } catch (error) {
    noteFailure(ctx, error)
    return false
  }
}

/**
 * `/healthz`: the process answers. `/readyz`: it can reach its store, which is asked. `/actuator/health`: the same in the
 * original's words. Nobody needs a token, and nobody is told why.
 */
export function addHealthRoutes(router: Router, service: ScoreService): void {
  router.get('/healthz', async (ctx) => {
    ctx.set('Cache-Control', 'no-store')
    await answerJson(ctx, '{"status":"ok"}')
  })
  router.get('/readyz', async (ctx) => {
    ctx.set('Cache-Control', 'no-store')
    const ready = await isReady(ctx, service)
    ctx.status = ready ? 200 : 503
    await answerJson(ctx, JSON.stringify({ status: ready ? 'ready' : 'not ready' }))
  })
  router.get('/actuator/health', async (ctx) => {
    const ready = await isReady(ctx, service)
    ctx.status = ready ? 200 : 503
    await answerJson(ctx, JSON.stringify({ status: ready ? 'UP' : 'DOWN' }), 'application/vnd.spring-boot.actuator.v3+json')
  })
}
