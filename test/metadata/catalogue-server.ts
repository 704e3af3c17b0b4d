import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Koa from 'koa'
import { type CatalogueRouterOptions, createCatalogueRouter } from '../../adapters/server/catalogue-router.ts'
import type { AccessRequest, Authorizer } from '../../src/auth/authorizer.ts'
import { ScoreError } from '../../src/core/errors.ts'
import type { Catalogue, StoredObjectState } from '../../src/metadata/catalogue/catalogue.ts'
import { openCatalogue } from '../../src/metadata/catalogue/open-catalogue.ts'

export const goodToken = 'good-token'

/** Lets `good-token` do everything but write to the study `CLOSED`; remembers what it was asked. */
export function testAuthorizer(): Authorizer & { readonly asked: AccessRequest[] } {
  const asked: AccessRequest[] = []
  return {
    asked,
    async authorize(request) {
      asked.push(request)
      if (request.token !== goodToken) throw new ScoreError('unauthenticated', 'the token is not good')
      if (request.study === 'CLOSED') throw new ScoreError('access-denied', 'no right to write to study CLOSED')
      return { subject: 'tester', scopes: new Set() }
    },
  }
}

export interface CatalogueServer {
  readonly url: string
  readonly catalogue: Catalogue
  readonly stored: Map<string, StoredObjectState>
  readonly asked: readonly AccessRequest[]
  close(): Promise<void>
}

/** A real server on a port of its own, over a catalogue in a folder of its own. */
export async function startCatalogueServer(options: Partial<CatalogueRouterOptions> = {}): Promise<CatalogueServer> {
  const folder = await mkdtemp(join(tmpdir(), 'catalogue-'))
  const stored = new Map<string, StoredObjectState>()
  const catalogue = await openCatalogue({ folder, objectState: { describe: async (id) => stored.get(id) ?? { exists: false } } })
  const authorizer = testAuthorizer()
  const app = new Koa()
  app.silent = true
  app.use(createCatalogueRouter({ catalogue, authorizer, ...options }))
  app.use((ctx) => {
    ctx.body = 'next'
  })
  const server = createServer(app.callback())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    catalogue,
    stored,
    asked: authorizer.asked,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await catalogue.close()
      await rm(folder, { recursive: true })
    },
  }
}
