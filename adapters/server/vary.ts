import type { Context } from 'koa'

/** As `ctx.vary`, which reads and checks the whole header each time; nearly always there are only our own two names in it. */
export function vary(ctx: Context, field: 'Origin' | 'Accept-Encoding'): void {
  const header = ctx.res.getHeader('Vary')
  if (header === undefined) ctx.res.setHeader('Vary', field)
  else if (header === 'Origin' && field === 'Accept-Encoding') ctx.res.setHeader('Vary', 'Origin, Accept-Encoding')
  else ctx.vary(field)
}
