import Router from '@koa/router'
import { addHealthRoutes } from './health-routes.ts'
import { addDocumentationRoutes } from './openapi/documentation-routes.ts'
import { addScoreRoutes } from './score-routes.ts'
import type { ServedScore } from './served-score.ts'

export interface ScoreRouterOptions {
  /** Whether `/` is answered with a page that links the documentation. */
  readonly home: boolean
  readonly catalogueReads: 'open' | 'token'
}

/** Every route but the catalogue's, which answers in Song's words, and the store's, which is no part of the API. */
export function createScoreRouter(score: ServedScore, { home, catalogueReads }: ScoreRouterOptions): Router {
  const router = new Router()
  addHealthRoutes(router, score.service)
  addScoreRoutes(router, score.service)
  addDocumentationRoutes(router, { home, ...(score.catalogue ? { catalogueReads } : {}) })
  return router
}
