import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import * as assert from 'uvu/assert'
import { createScoreServer, type RequestEvent } from '../../../adapters/server/index.ts'
import { createScoreClient } from '../../../src/client/score-client.ts'
import { md5Hex } from '../../../src/core/checksum.ts'
import type { SignedPart } from '../../../src/core/object-spec.ts'
import type { DataPlaneAnswer, DataPlaneRequest, LocalDataPlane } from '../../../src/index.ts'
import { openHouse } from '../../objects/score-house.ts'
import { serveFolder } from '../../support/embedded-subject.ts'
import { suite } from '../../support/suite.ts'

/** A server whose data plane is the test's own. */
async function withPlane(
  handle: (request: DataPlaneRequest) => Promise<DataPlaneAnswer>,
  use: (url: string, events: RequestEvent[]) => Promise<void>,
  stallSeconds = 300,
): Promise<void> {
  const house = await openHouse()
  const events: RequestEvent[] = []
  const dataPlane: LocalDataPlane = { handle }
  const server = createScoreServer(
    { service: house.service, dataPlane },
    { port: 0, stallSeconds, onRequest: (event) => events.push(event) },
  )
  const { url } = await server.listen()
  try {
    await use(url, events)
  } finally {
    await server.close({ deadlineSeconds: 1 })
  }
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 60_000
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`never: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

const mebibyte = 1024 * 1024

suite('adapters/server store route', (test) => {
  test('a body is handed on as it comes, and waits for its reader', async () => {
    let received = 0
    let release = (): void => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    await withPlane(
      async ({ body }) => {
        for await (const piece of body) {
          received += piece.length
          await held
        }
        return { status: 200, headers: { etag: '"x"' } }
      },
      async (url) => {
        const call = httpRequest(`${url}/store/b/k?Signature=s`, { method: 'PUT', headers: { 'content-length': String(64 * mebibyte) } })
        const answered = once(call, 'response')
        let sent = 0
        let paused = false
        while (sent < 64 * mebibyte && !paused) {
          sent += mebibyte
          paused = !call.write(Buffer.alloc(mebibyte))
          if (paused && sent < 64 * mebibyte)
            await Promise.race([once(call, 'drain').then(() => (paused = false)), new Promise((resolve) => setTimeout(resolve, 300))])
        }
        assert.ok(sent < 64 * mebibyte, 'the whole body was taken although nobody read it')
        assert.ok(received < 2 * mebibyte)
        release()
        for (; sent < 64 * mebibyte; sent += mebibyte) if (!call.write(Buffer.alloc(mebibyte))) await once(call, 'drain')
        call.end()
        const [answer] = await answered
        answer.resume()
        assert.equal([answer.statusCode, answer.headers.etag, received], [200, '"x"', 64 * mebibyte])
      },
    )
  })

  test('a client that stops reading stops the source; one that goes ends it', async () => {
    let given = 0
    let ended = false
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        for (let index = 0; index < 1000; index++) {
          given += mebibyte
          yield Buffer.alloc(mebibyte)
        }
      } finally {
        ended = true
      }
    }
    await withPlane(
      async () => ({ status: 200, headers: { 'content-length': String(1000 * mebibyte) }, body: source() }),
      async (url, events) => {
        const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write('GET /store/b/k HTTP/1.1\r\nHost: x\r\n\r\n'))
        await once(socket, 'readable')
        let before = -1
        await until(() => {
          const same = before === given && given > 0
          before = given
          return same
        }, 'the source pauses')
        await new Promise((resolve) => setTimeout(resolve, 100))
        assert.ok(given < 100 * mebibyte, `${given} bytes were read for a client that takes none`)
        socket.destroy()
        await until(() => ended && events.length === 1, 'the source ends with its client')
        assert.is(events[0]?.aborted, true)
      },
    )
  })

  test('a body that fails in the middle cuts the connection', () =>
    withPlane(
      async () => ({
        status: 200,
        headers: { 'content-length': '100' },
        body: (async function* () {
          yield Buffer.alloc(50)
          throw new Error('the disk is gone')
        })(),
      }),
      async (url, events) => {
        const broken = await fetch(`${url}/store/b/k`)
          .then((answer) => answer.arrayBuffer())
          .catch((error: Error) => error)
        assert.instance(broken, Error)
        await until(() => events.length === 1, 'the event')
        assert.equal([events[0]?.problem?.message, events[0]?.aborted], ['the disk is gone', true])
      },
    ))

  test('a refusal reaches a client that is still sending, and the connection lives on', () =>
    withPlane(
      async () => ({ status: 403, headers: { connection: 'close', 'content-type': 'application/xml' }, body: Buffer.from('<Error/>') }),
      async (url) => {
        const answer = await fetch(`${url}/store/b/k`, { method: 'PUT', body: Buffer.alloc(8 * mebibyte) })
        assert.equal([answer.status, await answer.text(), answer.headers.get('connection')], [403, '<Error/>', 'keep-alive'])
      },
    ))

  for (const [name, wanted] of [
    ['wanted', true],
    ['refused', false],
  ] as const)
    test(`a client that asks before it sends, with a body that is ${name}`, async () => {
      let received = 0
      await withPlane(
        async ({ body }) => {
          if (!wanted) return { status: 403, headers: { connection: 'close' } }
          for await (const piece of body) received += piece.length
          return { status: 200, headers: {} }
        },
        async (url) => {
          const call = httpRequest(`${url}/store/b/k`, { method: 'PUT', headers: { 'content-length': '5', expect: '100-continue' } })
          let told = false
          call.on('continue', () => {
            told = true
            call.end('hello')
          })
          call.flushHeaders()
          const [answer] = await once(call, 'response')
          answer.resume()
          call.destroy()
          assert.equal([told, received, answer.statusCode], wanted ? [true, 5, 200] : [false, 0, 403])
        },
      )
    })

  test('a body for the catalogue is asked for at once', async () => {
    const folder = await serveFolder()
    try {
      const headers = {
        authorization: `Bearer ${folder.score.token}`,
        'content-type': 'application/json',
        'content-length': '2',
        expect: '100-continue',
      }
      const call = httpRequest(`${folder.url}/studies/store/files/x`, { method: 'PUT', headers })
      call.on('continue', () => call.end('{}'))
      call.flushHeaders()
      const [answer] = await once(call, 'response')
      answer.resume()
      assert.ok(answer.statusCode >= 400 && answer.statusCode < 500)
    } finally {
      await folder.close()
    }
  })

  test('silence cuts a connection, slowness does not', async () => {
    let received = 0
    await withPlane(
      async ({ body }) => {
        for await (const piece of body) received += piece.length
        return { status: 200, headers: {} }
      },
      async (url) => {
        const slow = httpRequest(`${url}/store/b/k`, { method: 'PUT', headers: { 'content-length': '8' } })
        const answered = once(slow, 'response')
        for (let index = 0; index < 8; index++) {
          slow.write('x')
          await new Promise((resolve) => setTimeout(resolve, 250))
        }
        slow.end()
        const [answer] = await answered
        answer.resume()
        assert.equal([answer.statusCode, received], [200, 8])
        const silent = httpRequest(`${url}/store/b/k`, { method: 'PUT', headers: { 'content-length': '8' } })
        silent.write('x')
        const [error] = await once(silent, 'error')
        assert.instance(error, Error)
      },
      1.5,
    )
  })
})

suite('adapters/server with the local store', (test) => {
  test('an upload and a download over HTTP, refusals as S3 gives them', async () => {
    const folder = await serveFolder()
    try {
      const api = createScoreClient({ url: folder.url, token: folder.score.token })
      const body = Buffer.from(Array.from({ length: 2500 }, (_, index) => index % 256))
      const objectId = await folder.register({ size: body.length, md5: md5Hex(body), access: 'controlled' })
      const spec = await api.openUpload({ objectId, size: body.length, md5: md5Hex(body) })
      assert.ok(spec.parts.every((part) => part.url.startsWith(`${folder.url}/store/`)))
      for (const part of spec.parts) {
        const piece = body.subarray(part.range.start, part.range.end)
        const answer = await fetch(part.url, { method: 'PUT', body: piece })
        assert.is(answer.headers.get('etag'), `"${md5Hex(piece)}"`)
        await api.finalizePart(spec, { number: part.number, md5: md5Hex(piece), etag: md5Hex(piece) })
      }
      await api.finalizeUpload(spec)
      await folder.publish(objectId)
      const [part] = (await api.downloadSpec({ objectId })).parts as [SignedPart]
      const right = await fetch(part.url, { headers: { range: 'bytes=0-999' } })
      assert.equal([right.status, right.headers.get('content-range')], [206, 'bytes 0-999/2500'])
      assert.equal(Buffer.from(await right.arrayBuffer()), body.subarray(0, 1000))
      const wrong = await fetch(part.url, { headers: { range: 'bytes=0-998' } })
      assert.equal([wrong.status, wrong.headers.get('content-type')], [403, 'application/xml'])
      assert.match(await wrong.text(), /<Code>SignatureDoesNotMatch<\/Code>/)
      const head = await fetch((await api.objectUrl(objectId)).url, { method: 'HEAD' })
      assert.equal([head.status, head.headers.get('content-length')], [200, '2500'])
    } finally {
      await folder.close()
    }
  })

  test('a public URL with a prefix is what is signed and what is served', async () => {
    const folder = await serveFolder({ server: { prefix: '/score' } })
    try {
      const sentinel = await createScoreClient({ url: folder.url }).sentinelUrl()
      assert.ok(sentinel.startsWith(`${folder.url}/store/`) && folder.url.endsWith('/score'))
      assert.is((await fetch(sentinel)).status, 200)
    } finally {
      await folder.close()
    }
  })

  test('another Host header changes no URL', async () => {
    const folder = await serveFolder()
    try {
      const call = httpRequest(`${folder.url}/download/ping`, { headers: { host: 'evil.example', 'x-forwarded-host': 'evil.example' } })
      call.end()
      const [answer] = await once(call, 'response')
      let text = ''
      for await (const piece of answer) text += piece
      assert.ok(text.startsWith(folder.url))
    } finally {
      await folder.close()
    }
  })
})
