import { createScoreClient } from '../../src/client/score-client.ts'
import { scoreApiContract } from '../../src/testing.ts'
import { type ServedFolder, serveFolder } from '../support/embedded-subject.ts'
import { suite } from '../support/suite.ts'

suite('the embedded score keeps the contract, in process and over HTTP', (test) => {
  let folder: ServedFolder
  test.before(async () => {
    folder = await serveFolder()
  })
  test.after(() => folder.close())

  const steps = {
    register: (file: Parameters<ServedFolder['register']>[0]) => folder.register(file),
    publish: (objectId: string) => folder.publish(objectId),
    unpublish: (objectId: string) => folder.unpublish(objectId),
  }
  const inProcess = scoreApiContract('in process', async () => ({
    ...steps,
    api: folder.score.api(),
    anonymous: folder.score.service.as(undefined),
  }))
  const overHttp = scoreApiContract('over HTTP', async () => ({
    ...steps,
    api: createScoreClient({ url: folder.url, token: folder.score.token }),
    anonymous: createScoreClient({ url: folder.url }),
  }))
  for (const { name, run } of [...inProcess, ...overHttp]) test(name, run)
})
