import { createServer } from 'node:net'

/** Listens for as long as this process lives, or says that it cannot. */
function holds(path: string): Promise<boolean> {
  const server = createServer().unref()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(path, () => resolve(true))
  })
}

function isFree(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

/** One test process gets a port; another passes over it. Linux has names of sockets that are no files and end with who holds them. */
function isOurs(port: number): Promise<boolean> {
  return process.platform === 'linux' ? holds(`\0score-test-port-${port}`) : Promise.resolve(true)
}

/**
 * A port that was free a moment ago, for programs that cannot be told to take any. It lies below those that the system
 * gives to connections, so nothing takes it by chance meanwhile.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 12_000 + Math.floor(Math.random() * 18_000)
    if ((await isOurs(port)) && (await isFree(port))) return port
  }
}
