import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Exchange {
  readonly method: string
  /** Path and query as the client sent them. */
  readonly url: string
  readonly status: number
}

export interface RecordingProxy {
  readonly url: string
  /** What was answered since the last `clear`, in order of answer. */
  readonly exchanges: readonly Exchange[]
  /** From now on, requests that match are never passed on nor answered. */
  hold(matches: (method: string, url: string) => boolean): void
  /** Forgets what was recorded and ends a hold; requests held are dropped. */
  clear(): void
  /** Resolves once so many answers match; rejects after the deadline. */
  seen(count: number, matches: (exchange: Exchange) => boolean, seconds?: number): Promise<void>
  /** Where requests go; set once the server behind has a port. */
  forwardTo(port: number): void
  close(): Promise<void>
}

/** Stands between a client and a server, counts what passes and can stop requests at a chosen moment. */
export async function startRecordingProxy(): Promise<RecordingProxy> {
  let exchanges: Exchange[] = []
  let held: ServerResponse[] = []
  let holds: (method: string, url: string) => boolean = () => false
  let watchers: (() => void)[] = []
  let target = 0
  const forward = (incoming: IncomingMessage, answer: ServerResponse): void => {
    const method = incoming.method ?? ''
    const url = incoming.url ?? ''
    if (holds(method, url)) {
      held.push(answer)
      incoming.resume()
      return
    }
    const onward = request({ host: '127.0.0.1', port: target, method, path: url, headers: incoming.headers }, (reply) => {
      answer.writeHead(reply.statusCode ?? 502, reply.headers)
      reply.pipe(answer)
      reply.once('end', () => {
        exchanges.push({ method, url, status: reply.statusCode ?? 0 })
        for (const watcher of watchers) watcher()
      })
      reply.once('error', () => answer.destroy())
    })
    onward.once('error', () => answer.destroy())
    answer.once('close', () => onward.destroy())
    incoming.pipe(onward)
  }
  const server = createServer(forward)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const dropHeld = (): void => {
    for (const answer of held) answer.destroy()
    held = []
  }
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get exchanges() {
      return exchanges
    },
    hold: (matches) => {
      holds = matches
    },
    clear: () => {
      exchanges = []
      holds = () => false
      dropHeld()
    },
    seen: (count, matches, seconds = 180) =>
      new Promise((done, fail) => {
        const finish = (error?: Error): void => {
          clearTimeout(deadline)
          watchers = watchers.filter((watcher) => watcher !== look)
          if (error === undefined) done()
          else fail(error)
        }
        const look = (): void => {
          if (exchanges.filter(matches).length >= count) finish()
        }
        const deadline = setTimeout(
          () => finish(new Error(`not seen ${count} times in ${seconds} s; ${JSON.stringify(exchanges)}`)),
          seconds * 1000,
        )
        watchers.push(look)
        look()
      }),
    forwardTo: (port) => {
      target = port
    },
    close: async () => {
      dropHeld()
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}
