import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'

/** nginx over a folder: GET with ranges, PUT stores. */
export interface LocalStore {
  readonly url: string
  /** Folder that is served. */
  readonly root: string
  /** User and system seconds of its processes so far. */
  cpuSeconds(): number
  close(): Promise<void>
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no free port')
  return address.port
}

function configuration(folder: string, port: number): string {
  return `daemon off; worker_processes 2; pid ${folder}/nginx.pid; error_log ${folder}/error.log warn;
events { worker_connections 256; }
http {
  access_log off; sendfile on; sendfile_max_chunk 2m; tcp_nopush on; keepalive_requests 1000000; keepalive_timeout 65;
  client_max_body_size 0; client_body_buffer_size 1m; client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/t1;
  fastcgi_temp_path ${folder}/t2; uwsgi_temp_path ${folder}/t3; scgi_temp_path ${folder}/t4;
  server { listen 127.0.0.1:${port}; root ${folder}/root; location / { dav_methods PUT; create_full_put_path on; } }
}
`
}

function ownUser(): string {
  return process.getuid?.() === 0 ? 'user root;\n' : ''
}

async function answers(url: string, child: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (child.exitCode !== null) throw new Error('nginx did not start')
    const reached = await fetch(url).then(
      () => true,
      () => false,
    )
    if (reached) return
    await wait(50)
  }
  throw new Error('nginx does not answer')
}

/** Processor time of a process and its children, from the kernel's ticks (100 a second). */
function cpuOf(pid: number): number {
  const pids = [
    pid,
    ...execFileSync('ps', ['--no-headers', '-o', 'pid', '--ppid', String(pid)], { encoding: 'utf8' })
      .split('\n')
      .map(Number),
  ]
  return pids.filter(Boolean).reduce((sum, each) => {
    const fields = readFileSync(`/proc/${each}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    return sum + (Number(fields[11]) + Number(fields[12])) / 100
  }, 0)
}

function requireInstalled(command: string, debianPackage: string): void {
  if (spawnSync(command, ['-V']).error) throw new Error(`'${command}' is not installed; on Debian: apt-get install ${debianPackage}`)
}

export async function startLocalStore(folder: string): Promise<LocalStore> {
  requireInstalled('nginx', 'nginx-light')
  requireInstalled('curl', 'curl')
  const root = join(folder, 'root')
  mkdirSync(root, { recursive: true })
  mkdirSync(join(folder, 'body'))
  const port = await freePort()
  const file = join(folder, 'nginx.conf')
  writeFileSync(file, ownUser() + configuration(folder, port))
  const child = spawn('nginx', ['-p', folder, '-e', join(folder, 'error.log'), '-c', file], { stdio: ['ignore', 'inherit', 'inherit'] })
  const url = `http://127.0.0.1:${port}`
  await answers(url, child)
  return {
    url,
    root,
    cpuSeconds: () => cpuOf(child.pid ?? 0),
    async close() {
      const gone = new Promise((resolve) => child.once('close', resolve))
      child.kill('SIGQUIT')
      await gone
    },
  }
}
