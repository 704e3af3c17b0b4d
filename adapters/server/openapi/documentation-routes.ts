import type Router from '@koa/router'
import type { Context } from 'koa'
import { answerJson } from '../answers.ts'
import { requestPath } from '../problem-middleware.ts'
import { createExplorerFiles } from './explorer-files.ts'
import { createExplorerPage } from './explorer-page.ts'
import type { OpenApiOptions } from './open-api-document.ts'
import { openApiDocument } from './open-api-document.ts'
import { swaggerDocument } from './swagger-document.ts'

const homePage = `<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Score</title></head>
<body>
<h1>Score</h1>
<ul>
<li><a href="swagger-ui.html">Explore the API</a></li>
<li><a href="v3/api-docs">OpenAPI 3.1 document</a></li>
<li><a href="v2/api-docs">Swagger 2.0 document</a></li>
<li><a href="readyz">Is it ready?</a></li>
</ul>
</body>
</html>
`

function addHome(router: Router): void {
  router.get('/', (ctx: Context) => {
    const asked = requestPath(ctx)
    if (!asked.endsWith('/')) {
      // The page's links are relative: under a prefix they need the slash.
      ctx.redirect(`${asked.slice(asked.lastIndexOf('/') + 1)}/`)
      return
    }
    ctx.set('Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
    ctx.type = 'html'
    ctx.body = homePage
  })
}

/** The documentation: open to everyone, as the original's (score-server.md 1.3). */
export function addDocumentationRoutes(router: Router, options: OpenApiOptions): void {
  const document = openApiDocument(options)
  const files = createExplorerFiles()
  if (options.home) addHome(router)
  router.get('/swagger-ui.html', createExplorerPage(files.version))
  router.get('/swagger-ui/:version/:file', async (ctx: Context & { params: Record<string, string> }) => {
    ctx.state['modern'] = true
    const { bytes, type } = await files.read(String(ctx.params['version']), String(ctx.params['file']))
    ctx.set('Content-Type', type)
    ctx.set('Cache-Control', 'public, max-age=31536000, immutable')
    ctx.body = bytes
  })
  router.get('/v3/api-docs', (ctx) => answerJson(ctx, JSON.stringify(document)))
  router.get('/v2/api-docs', (ctx) => {
    const basePath = requestPath(ctx).replace(/\/v2\/api-docs\/*$/, '')
    return answerJson(ctx, JSON.stringify(swaggerDocument(document, basePath)))
  })
}
