import { freePort } from '../../support/free-port.ts'
import { startJavaServer } from './java-server.ts'
import { missingOriginal } from './original-client.ts'
import { missingPostgres, startPostgres } from './postgres.ts'

/** Why Song cannot be run here, or undefined when it can. */
export function missingSong(): string | undefined {
  return missingOriginal('song-server.jar') ?? missingPostgres()
}

export interface SongSettings {
  /** Score, which Song asks before it publishes. */
  readonly scoreUrl: string
  /** What Song sends there. */
  readonly scoreToken: string
  readonly publicKeyUrl: string
  readonly apiKeyUrl: string
}

export interface Song {
  /** `http://127.0.0.1:<port>` */
  readonly url: string
  /** What it has written so far. */
  log(): string
  stop(): Promise<void>
}

/** The real Song on free ports, with a database server of its own; takes 10 to 15 s. */
export async function startSong({ scoreUrl, scoreToken, publicKeyUrl, apiKeyUrl }: SongSettings): Promise<Song> {
  const postgres = await startPostgres()
  try {
    await postgres.createDatabase('song')
    const port = await freePort()
    const song = await startJavaServer({
      jar: 'song-server.jar',
      port,
      readyPath: '/isAlive',
      args: [
        // Without Kafka it needs the profile `default` beside the others.
        '--spring.profiles.active=default,prod,secure',
        `--server.port=${port}`,
        '--server.address=127.0.0.1',
        `--management.server.port=${await freePort()}`,
        '--management.server.address=127.0.0.1',
        `--spring.datasource.url=jdbc:postgresql://127.0.0.1:${postgres.port}/song?stringtype=unspecified`,
        '--spring.datasource.username=postgres',
        '--spring.datasource.password=x',
        '--spring.flyway.enabled=true',
        `--score.url=${scoreUrl}`,
        `--score.accessToken=${scoreToken}`,
        `--spring.security.oauth2.resourceserver.jwt.public-key-location=${publicKeyUrl}`,
        `--auth.server.introspectionUri=${apiKeyUrl}`,
        '--auth.server.provider=ego',
      ],
    })
    return {
      ...song,
      async stop() {
        await song.stop()
        await postgres.stop()
      },
    }
  } catch (error) {
    await postgres.stop()
    throw error
  }
}
