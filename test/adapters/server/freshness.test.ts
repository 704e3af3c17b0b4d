import { createHash } from 'node:crypto'
import * as assert from 'uvu/assert'
import { createScoreServer } from '../../../adapters/server/index.ts'
import { openEmbeddedScore } from '../../../src/index.ts'
import { type ServedFolder, serveFolder } from '../../support/embedded-subject.ts'
import { suite } from '../../support/suite.ts'

const bytes = Buffer.from('fresh')
const md5 = createHash('md5').update(bytes).digest('hex')

async function upload({ score }: ServedFolder, objectId: string): Promise<void> {
  const api = score.api()
  const { uploadId, parts } = await api.openUpload({ objectId, size: bytes.length, md5, overwrite: true })
  const sent = await fetch(parts[0]?.url as string, { method: 'PUT', body: bytes })
  const etag = (sent.headers.get('etag') ?? '').replaceAll('"', '')
  await api.finalizePart({ objectId, uploadId }, { number: 1, md5, etag })
  await api.finalizeUpload({ objectId, uploadId })
}

suite('two servers of one folder', (test) => {
  test('what one is told, the next requests to the other know, however many come together', async () => {
    const one = await serveFolder()
    const other = createScoreServer((publicUrl) => openEmbeddedScore({ dataDir: one.dataDir, publicUrl, durable: false }), { port: 0 })
    const { url, score } = await other.listen()
    try {
      const objectId = await one.register({ size: bytes.length, md5, access: 'controlled' })
      const target = `${url}/download/${objectId}?offset=0&length=-1`
      const headers = { authorization: `Bearer ${one.score.token}` }
      const statuses = async (): Promise<readonly number[]> => {
        const answers = await Promise.all(Array.from({ length: 6 }, () => fetch(target, { headers })))
        await Promise.all(answers.map((answer) => answer.arrayBuffer()))
        return [...new Set(answers.map(({ status }) => status))]
      }
      const uploadIdNow = async (): Promise<string> => {
        const answer = await fetch(target, { headers })
        return ((await answer.json()) as { readonly uploadId: string }).uploadId
      }
      await upload(one, objectId)
      assert.equal(await statuses(), [400])
      for (let round = 0; round < 3; round++) {
        await one.publish(objectId)
        assert.equal(await statuses(), [200])
        const before = await uploadIdNow()
        await one.unpublish(objectId)
        assert.equal(await statuses(), [400])
        await upload(one, objectId)
        await one.publish(objectId)
        assert.ok((await uploadIdNow()) !== before)
        await one.unpublish(objectId)
      }
    } finally {
      await other.close({ deadlineSeconds: 1 })
      await score.close()
      await one.close()
    }
  })
})
