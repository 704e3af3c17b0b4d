import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { ScoreError } from '../../src/index.ts'

function bindError(error: NodeJS.ErrnoException, host: string, port: number): ScoreError {
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: 'another program listens there already: end it, or choose another --port',
    EACCES: 'this user may not bind it: choose a port above 1023',
    EADDRNOTAVAIL: 'this machine has no such address: choose another --host',
    ENOTFOUND: 'there is no such host: choose another --host',
  }
  const reason = reasons[error.code ?? ''] ?? error.message
  return new ScoreError('invalid-configuration', `can't listen on ${host}, port ${port}: ${reason}`, { cause: error })
}

/** Binds, and says under which address. @throws `invalid-configuration` when the port is taken or may not be bound. */
export async function bind(server: Server, host: string, port: number): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(bindError(error, host, port)))
    server.listen(port, host, () => {
      server.removeAllListeners('error')
      resolve()
    })
  })
  const bound = (server.address() as AddressInfo).port
  return `http://${host.includes(':') ? `[${host}]` : host}:${bound}`
}

/** Takes no new connections, and cuts off what still runs after the deadline. */
export async function drain(server: Server, deadlineSeconds: number): Promise<void> {
  const stop = new AbortController()
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeIdleConnections()
  const late = wait(deadlineSeconds * 1000, undefined, { signal: stop.signal, ref: false }).then(
    () => server.closeAllConnections(),
    () => undefined,
  )
  await closed
  stop.abort()
  await late
}
