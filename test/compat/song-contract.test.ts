import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { StoredObjectState } from '../../src/metadata/catalogue/catalogue.ts'
import { createSongMetadata } from '../../src/metadata/song-metadata.ts'
import { type Deviation, metadataContract } from '../../src/testing.ts'
import { suite } from '../support/suite.ts'
import { type AuthStandIn, startAuthStandIn } from './support/auth-stand-in.ts'
import { missingSong, type Song, startSong } from './support/song.ts'

/** Where Song does otherwise than our catalogue. Each was seen, and is seen again whenever this runs. */
const deviations: readonly Deviation[] = [
  {
    caseName: 'a payload is refused for a file of size 0, and leaves nothing',
    reason: "Song's schema says `min`, which is no word of JSON Schema, and then refuses to publish such a file for ever (song.md 9.6)",
  },
  { caseName: 'a payload is refused for a file of a negative size, and leaves nothing', reason: 'as with size 0' },
  {
    caseName: 'a content is the same in whatever letters its MD5 is written',
    reason: 'Song compares MD5s letter by letter (song.md 9.1)',
  },
  {
    caseName: 'a refused publication names the objects that are missing',
    reason: 'Song has a place for them in its message and never fills it in (wire-vectors.md 7)',
  },
  {
    caseName: 'nothing is published while an upload of it is open',
    reason: 'Song asks Score whether an object is there, not whether it is being replaced (song.md 9.3)',
  },
  {
    caseName: 'what is suppressed is never published again',
    reason: "Song's publish does not look at the state (song.md 3)",
  },
]

/** Answers Song's two questions as Score does, from what a case says is stored. */
function startScoreStandIn(stored: ReadonlyMap<string, StoredObjectState>): Promise<Server> {
  const server = createServer((request, response) => {
    const [, right, objectId = ''] = /^\/(upload|download)\/([^?]+)/.exec(request.url ?? '') ?? []
    const { exists, size, md5 } = stored.get(objectId) ?? { exists: false }
    response.setHeader('content-type', 'application/json')
    if (right === 'upload') response.end(JSON.stringify(exists))
    else response.end(JSON.stringify({ objectId, objectSize: size, objectMd5: md5 ?? null, parts: [] }))
  })
  return new Promise((done) => server.listen(0, '127.0.0.1', () => done(server)))
}

suite('the real Song keeps the contract of our catalogue', (test) => {
  const missing = missingSong()
  if (missing !== undefined) {
    test.skip('every case', missing)
    return
  }
  const stored = new Map<string, StoredObjectState>()
  let auth: AuthStandIn
  let score: Server
  let song: Song
  let token: string
  test.before(async () => {
    auth = await startAuthStandIn()
    token = await auth.token({ scopes: ['song.WRITE'] })
    score = await startScoreStandIn(stored)
    const { port } = score.address() as AddressInfo
    song = await startSong({
      ...auth,
      scoreUrl: `http://127.0.0.1:${port}`,
      scoreToken: await auth.token({ scopes: ['score.READ', 'score.WRITE'] }),
    })
  })
  test.after(async () => {
    await song?.stop()
    score?.closeAllConnections()
    score?.close()
    await auth?.close()
  })

  const cases = metadataContract(
    'Song',
    async () => ({
      catalogue: createSongMetadata({ url: song.url, token, retry: { attempts: 1 } }),
      store: (objectId, state) => void stored.set(objectId, state),
    }),
    { deviations },
  )
  for (const { name, run } of cases) test(name, run)
})
