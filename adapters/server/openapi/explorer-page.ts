import { createHash } from 'node:crypto'
import type { Context, Middleware } from 'koa'

interface Page {
  readonly html: string
  /** `Content-Security-Policy` that lets this page's own scripts and styles run, and nothing else. */
  readonly policy: string
}

function hashOf(inline: string): string {
  return `'sha256-${createHash('sha256').update(inline).digest('base64')}'`
}

function inlineHashes(html: string, tag: 'script' | 'style'): string {
  return [...html.matchAll(new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`, 'g'))].map((match) => hashOf(String(match[1]))).join(' ')
}

/** What the template of koa2-swagger-ui fetches from elsewhere, or sets by an attribute that a strict policy forbids. */
const foreign = [
  [/\s*<link href="https:\/\/fonts\.googleapis\.com[^>]*>/, ''],
  [/style="position:absolute;width:0;height:0"/, 'width="0" height="0"'],
] as const

function harden(html: string): Page {
  const clean = foreign.reduce((text, [pattern, instead]) => text.replace(pattern, instead), html)
  const policy = [
    "default-src 'none'",
    `script-src 'self' ${inlineHashes(clean, 'script')}`,
    `style-src 'self' ${inlineHashes(clean, 'style')}`,
    "img-src 'self' data:",
    "font-src 'self' data:",
    "connect-src 'self'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ]
  return { html: clean, policy: policy.join('; ') }
}

async function loadExplorer(version: string): Promise<Middleware> {
  // Loaded late: it brings lodash and a template engine, and few servers are ever asked.
  const { koaSwagger } = await import('koa2-swagger-ui')
  return koaSwagger({
    title: 'Score API',
    // The route decides; every address is relative, so that any prefix and any proxy will do.
    routePrefix: false,
    swaggerVersion: version,
    swaggerCdnUrl: 'swagger-ui',
    favicon: `swagger-ui/${version}/favicon-32x32.png`,
    hideTopbar: true,
    swaggerOptions: { url: 'v3/api-docs', validatorUrl: null, docExpansion: 'list', layout: 'StandaloneLayout' },
  })
}

/** Answers with Swagger UI on the document at `v3/api-docs`, its files at `swagger-ui/<version>/`. */
export function createExplorerPage(version: string): (ctx: Context) => Promise<void> {
  let loading: Promise<Middleware> | undefined
  return async (ctx) => {
    loading ??= loadExplorer(version)
    const explorer = await loading
    await explorer(ctx, async () => undefined)
    const { html, policy } = harden(String(ctx.body))
    ctx.set('Content-Security-Policy', policy)
    ctx.body = html
  }
}
