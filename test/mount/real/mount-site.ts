import { createScoreServer, type RequestEvent } from '../../../adapters/server/index.ts'
import { createStudyAuthorizer, type EmbeddedScore, openEmbeddedScore, ScoreError } from '../../../src/index.ts'
import type { CliServer, CliServerPlace } from '../../adapters/cli/cli-world.ts'
import { type FaultProxy, startFaultProxy } from '../../services/support/fault-proxy.ts'
import type { SuiteApi } from '../../support/suite.ts'
import { type MountTest, type MountWorld, onMountWorld } from './mount-world.ts'

/** A server in the test's own process, whose bytes flow through a proxy of faults, and whose tokens and URLs can run out. */
export interface MountSite extends CliServer {
  /** Before the store; requests of the control plane do not go through it. */
  readonly proxy: FaultProxy
  /** Tokens that are good now. */
  readonly good: Set<string>
  /** What was asked of the control plane. */
  readonly asked: RequestEvent[]
  readonly score: EmbeddedScore
  /** Lets a week go by at the server: URLs that it signed before are refused. */
  nextWeek(): void
}

/** A good token without any right. */
export const stranger = 'token-of-a-stranger'
const week = 7 * 86_400_000

export async function startMountSite({ dataDir }: CliServerPlace): Promise<MountSite> {
  const token = 'token-of-the-site'
  const good = new Set([token, stranger])
  const asked: RequestEvent[] = []
  const proxies: FaultProxy[] = []
  let later = 0
  const verifier = {
    async verify(given: string) {
      const all = ['score.READ', 'score.WRITE', 'song.READ', 'song.WRITE']
      if (good.has(given)) return { subject: 'ada', scopes: new Set(given === stranger ? [] : all) }
      throw new ScoreError('unauthenticated', 'the access token has run out')
    },
  }
  const server = createScoreServer<EmbeddedScore>(
    async (publicUrl) => {
      const proxy = await startFaultProxy(publicUrl)
      proxies.push(proxy)
      return openEmbeddedScore({
        dataDir,
        publicUrl: proxy.url,
        durable: false,
        now: () => Date.now() + later,
        authorizer: ({ metadata }) => createStudyAuthorizer({ verifier, metadata }),
      })
    },
    {
      port: 0,
      onRequest(event) {
        if (event.route !== '/store') asked.push(event)
      },
    },
  )
  const { url, score } = await server.listen()
  const proxy = proxies[0] as FaultProxy
  return {
    url,
    token,
    named: { STORAGE_URL: url, METADATA_URL: url, ACCESSTOKEN: token },
    proxy,
    good,
    asked,
    score,
    nextWeek() {
      later += week
    },
    async close() {
      await proxy.close()
      await server.close({ deadlineSeconds: 1 })
      await score.close()
    },
  }
}

/** As `onMountWorld`, on a server that the tests can change under a mount. */
export function onMountSite(
  plain: SuiteApi<Record<string, unknown>>,
  missing: string | undefined,
  prepare: (world: MountWorld, site: MountSite) => void,
): MountTest {
  let site: MountSite
  return onMountWorld(
    plain,
    missing,
    (world) => prepare(world, site),
    async (place) => {
      site = await startMountSite(place)
      return site
    },
  )
}
