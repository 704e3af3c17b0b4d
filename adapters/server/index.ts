/** The server of `score-sdk/server`: a Koa middleware to mount, and a server around it. */

export { type CatalogueRouterOptions, createCatalogueRouter } from './catalogue-router.ts'
export { type FailedAuthenticationOptions, throttleFailedAuthentications } from './failed-authentications.ts'
export { currentRequest, type RequestContext } from './request-context.ts'
export type { RequestEvent } from './request-event.ts'
export { createScoreMiddleware, type ScoreMiddlewareOptions } from './score-middleware.ts'
export { createScoreServer, type Listening, type ScoreServer, type ScoreServerOptions, type ServedScoreAt } from './score-server.ts'
export type { ServedScore } from './served-score.ts'
export { openServerLog, type ServerLog, type ServerLogOptions } from './server-log.ts'
export { createMetricsServer, createServerMetrics, type MetricsServer, type ServerMetrics } from './server-metrics.ts'
export { type SweepScheduleOptions, scheduleSweeps } from './sweep-schedule.ts'
