import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRetryingBackend } from '../../../src/storage/retrying-backend.ts'
import { type AuthStandIn, startAuthStandIn } from '../../compat/support/auth-stand-in.ts'
import { type CatalogueServer, startCatalogueServer } from '../../metadata/catalogue-server.ts'
import { freePort } from '../../support/free-port.ts'
import { type RoundRobin, startRoundRobin } from './round-robin.ts'
import { type S3TestStore, s3Stores } from './s3-stores.ts'
import { type ScoreProcess, startScoreServer } from './score-process.ts'

/** Kills servers at requests that chance chooses, one at a time, and starts each again. */
export interface Chaos {
  /** Servers killed so far. */
  readonly kills: number
  /** Ends it; resolves once every server serves again. */
  calm(): Promise<void>
}

/** Several `score serve` processes on one bucket, behind a proxy that asks one after the other. */
export interface Fleet {
  readonly store: S3TestStore
  readonly bucket: string
  readonly song: CatalogueServer
  readonly folder: string
  /** Good for everything. */
  readonly token: string
  /** Of the proxy. */
  readonly url: string
  /** Of each server. */
  readonly urls: readonly string[]
  disturb(random: () => number): Chaos
  close(): Promise<void>
}

const bucket = 'score.data'

function environmentOf(store: S3TestStore, song: CatalogueServer, auth: AuthStandIn): Record<string, string> {
  return {
    SPRING_PROFILES_ACTIVE: 'prod,secure,s3',
    SERVER_ADDRESS: '127.0.0.1',
    S3_ENDPOINT: store.endpoint,
    S3_ACCESSKEY: store.credentials.accessKeyId,
    S3_SECRETKEY: store.credentials.secretAccessKey,
    BUCKET_NAME_OBJECT: bucket,
    BUCKET_NAME_STATE: bucket,
    METADATA_URL: song.url,
    AUTH_SERVER_PROVIDER: 'ego',
    SPRING_SECURITY_OAUTH2_RESOURCESERVER_JWT_PUBLICKEYLOCATION: auth.publicKeyUrl,
  }
}

export async function startFleet(size: number): Promise<Fleet> {
  const started = await s3Stores.minio.start()
  // The store cuts connections that were idle; the driver itself never asks twice.
  const store = { ...started, backend: createRetryingBackend(started.backend) }
  await store.createBucket(bucket)
  await store.backend.put({ bucket, key: 'data/heliograph' }, new Uint8Array(0))
  const [song, auth, folder] = await Promise.all([startCatalogueServer(), startAuthStandIn(), mkdtemp(join(tmpdir(), 'score-fleet-'))])
  const env = environmentOf(store, song, auth)
  const ports: number[] = []
  for (let index = 0; index < size; index++) ports.push(await freePort())
  const start = (index: number): Promise<ScoreProcess> =>
    startScoreServer({ cwd: folder, env: { ...env, SERVER_PORT: String(ports[index]) } })
  const servers = await Promise.all(ports.map((_, index) => start(index)))

  let strike: ((moment: 'before' | 'during' | 'after', server: number, count: number) => Promise<void>) | undefined
  const balancer: RoundRobin = await startRoundRobin({ onRequest: async (...told) => strike?.(...told) })
  balancer.serve(ports)

  const disturb = (random: () => number): Chaos => {
    let kills = 0
    let due = 1 + Math.floor(random() * 4)
    let moment = chooseMoment(random)
    let restarting: Promise<void> | undefined
    strike = async (now, server, count) => {
      if (restarting !== undefined || count < due || now !== moment) return
      kills += 1
      // Whoever asks it before it is left out gets 502, once.
      const revive = async (): Promise<void> => {
        await servers[server]?.kill()
        balancer.serve(ports.map((port, index) => (index === server ? undefined : port)))
        servers[server] = await start(server)
        balancer.serve(ports)
        due = count + 1 + Math.floor(random() * 6)
        moment = chooseMoment(random)
        restarting = undefined
      }
      restarting = revive()
      restarting.catch(() => undefined)
      if (now === 'before') await new Promise((resolve) => setImmediate(resolve))
    }
    return {
      get kills() {
        return kills
      },
      async calm() {
        strike = undefined
        await restarting
      },
    }
  }
  return {
    store,
    bucket,
    song,
    folder,
    token: await auth.token({ scopes: ['score.READ', 'score.WRITE'], expiresIn: 7200 }),
    url: balancer.url,
    urls: ports.map((port) => `http://127.0.0.1:${port}`),
    disturb,
    async close() {
      await Promise.all(servers.map((server) => server.kill()))
      await balancer.close()
      await Promise.all([store.stop(), song.close(), auth.close()])
      await rm(folder, { recursive: true })
    },
  }
}

function chooseMoment(random: () => number): 'before' | 'during' | 'after' {
  return (['before', 'during', 'after'] as const)[Math.floor(random() * 3)] ?? 'during'
}
