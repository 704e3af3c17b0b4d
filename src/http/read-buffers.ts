import type { Agent } from 'node:http'
import type { OnReadOpts } from 'node:net'

/** Bytes that one read may bring. node's own reads bring 64 KiB, into memory allocated for each. */
const readBytes = 256 * 1024

/**
 * Gives each connection of an agent a buffer that it keeps for its reads: fewer and larger reads, nothing allocated for
 * them. `onread` takes the place of the socket's `data` events, to which node's HTTP client listens, so they are sent on.
 * That is safe because the client copies bodies out of what it is given; a test watches that it does.
 */
export function keepReadBuffers(agent: Agent): void {
  const connect = agent.createConnection.bind(agent)
  const createConnection: Agent['createConnection'] = (options, done) => {
    const buffer = Buffer.allocUnsafeSlow(readBytes)
    const onread: OnReadOpts = {
      buffer,
      callback(count) {
        socket?.emit('data', buffer.subarray(0, count))
        return true
      },
    }
    const withBuffer: typeof options & { readonly onread: OnReadOpts } = { ...options, onread }
    const socket = connect(withBuffer, done)
    return socket
  }
  Object.assign(agent, { createConnection })
}
