import { once } from 'node:events'
import { Agent, createServer, type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as assert from 'uvu/assert'
import { keepReadBuffers } from '../../src/http/read-buffers.ts'
import { suite } from '../support/suite.ts'

const body = Buffer.alloc(8 * 1024 * 1024)
for (let i = 0; i < body.length; i += 4) body.writeUInt32LE(i, i)

suite('read buffers of connections', (test) => {
  test('bodies are copied out of them: what was received stays while more is read', async () => {
    const server = createServer((_, response) => response.writeHead(200, { 'content-length': body.length }).end(body)).listen(
      0,
      '127.0.0.1',
    )
    await once(server, 'listening')
    const agent = new Agent({ keepAlive: true })
    keepReadBuffers(agent)
    try {
      const { port } = server.address() as AddressInfo
      for (let round = 0; round < 2; round++) {
        const asked = request({ host: '127.0.0.1', port, agent }).end()
        const [response] = (await once(asked, 'response')) as [IncomingMessage]
        const chunks: Buffer[] = []
        for await (const chunk of response) chunks.push(chunk as Buffer)
        assert.is(asked.reusedSocket, round > 0)
        assert.ok(Buffer.concat(chunks).equals(body))
        assert.is(new Set(chunks.map((chunk) => chunk.buffer)).size, chunks.length)
        assert.ok(chunks.length < body.length / 65536, `${chunks.length} chunks: reads are larger than node's own`)
      }
    } finally {
      agent.destroy()
      server.close()
    }
  })
})
