/** What the bench of mounts mounts, each in a process of its own. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'

export const madeBytes = 2 ** 31
export const madeNames: readonly string[] = Array.from({ length: 16 }, (_, index) => `made-${index}-${madeBytes}`)

const local = (name: string): string => join(import.meta.dirname, name)
const children = new Set<ChildProcess>()

export function killAll(): void {
  for (const child of children) child.kill('SIGKILL')
}

interface Helper {
  readonly child: ChildProcess
  /** The next line that it writes. */
  line(): Promise<string>
  end(): Promise<void>
}

function startHelper(file: string, args: readonly string[]): Helper {
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  children.add(child)
  const lines: string[] = []
  const waiting: ((line: string) => void)[] = []
  let rest = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n')
    rest = parts.pop() ?? ''
    for (const part of parts) {
      const next = waiting.shift()
      if (next) next(part)
      else lines.push(part)
    }
  })
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  return {
    child,
    line: () => {
      const known = lines.shift()
      return known === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(known)
    },
    async end() {
      child.stdin?.end()
      const late = setTimeout(() => child.kill('SIGKILL'), 15_000)
      await gone
      clearTimeout(late)
      children.delete(child)
    },
  }
}

/** How a store answers: after a delay, and at no more than a rate on each connection. */
export interface StoreTraits {
  readonly delayMs: number
  readonly megabytesPerSecond?: number
}

export interface Store {
  readonly url: string
  end(): Promise<void>
}

export async function startStore({ delayMs, megabytesPerSecond }: StoreTraits, files: string): Promise<Store> {
  const rate = megabytesPerSecond === undefined ? [] : [String(megabytesPerSecond)]
  const helper = startHelper(process.execPath, ['--import', 'tsx', local('mount-store.ts'), String(delayMs), files, ...rate])
  return { url: `http://127.0.0.1:${await helper.line()}`, end: helper.end }
}

export interface Mounted {
  readonly folder: string
  /** Most resident bytes so far, and CPU seconds, of its process. */
  usage(): { readonly resident: number; readonly seconds: number }
  end(): Promise<void>
}

function usageOf(pid: number): { readonly resident: number; readonly seconds: number } {
  const resident = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return { resident, seconds: (Number(fields[11]) + Number(fields[12])) / 100 }
}

export interface OwnMount {
  /** A store's address, or `memory`. */
  readonly store: string
  readonly driver: string
  readonly cacheBytes: number
  readonly mountPoint: string
  /** Files besides the made ones: name and bytes. */
  readonly files: readonly (readonly [string, number])[]
}

export async function mountOwn({ store, driver, cacheBytes, mountPoint, files }: OwnMount): Promise<Mounted> {
  const all = [...madeNames.map((name) => `${name}:${madeBytes}`), ...files.map(([name, bytes]) => `${name}:${bytes}`)]
  const args = [local('mount-product.mjs'), store, mountPoint, String(cacheBytes), driver, ...all]
  const helper = startHelper(process.execPath, args)
  if ((await helper.line()) !== 'ready') throw new Error('our mount did not come about')
  return { folder: join(mountPoint, 'a'), usage: () => usageOf(helper.child.pid as number), end: helper.end }
}

export interface RcloneMount {
  readonly rclone: string
  readonly store: string
  readonly mode: 'off' | 'full'
  readonly mountPoint: string
  /** Of the mode `full`; it is emptied afterwards. */
  readonly cacheFolder: string
}

export async function mountRclone({ rclone, store, mode, mountPoint, cacheFolder }: RcloneMount): Promise<Mounted> {
  const cache = ['--vfs-cache-mode', mode, '--cache-dir', cacheFolder, '--config', '/dev/null']
  const child = spawn(rclone, ['mount', ':http:', mountPoint, '--http-url', store, '--read-only', ...cache], { stdio: 'ignore' })
  children.add(child)
  for (let tries = 0; readdirSync(mountPoint).length === 0; tries += 1) {
    if (tries > 200) throw new Error('rclone did not mount')
    await wait(50)
  }
  return {
    folder: mountPoint,
    usage: () => usageOf(child.pid as number),
    async end() {
      spawnSync('umount', ['-l', mountPoint])
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGTERM')
      await gone
      children.delete(child)
      rmSync(cacheFolder, { recursive: true, force: true })
    },
  }
}

/** Compiles the mount in C that is the least a mount can cost. @returns its path, or why there is none */
export function buildPassthrough(folder: string): { readonly path: string } | { readonly missing: string } {
  const flags = spawnSync('pkg-config', ['--cflags', '--libs', 'fuse3'])
  if (flags.status !== 0) return { missing: 'no headers of libfuse 3 (install libfuse3-dev and pkg-config)' }
  const path = join(folder, 'passthrough')
  const words = flags.stdout.toString().trim().split(/\s+/)
  const built = spawnSync('cc', ['-O2', '-o', path, local('mount-passthrough.c'), ...words, '-lpthread'])
  return built.status === 0 ? { path } : { missing: `no C compiler that builds it (${built.error?.message ?? built.stderr})` }
}

export async function mountPassthrough(path: string, mountPoint: string): Promise<Mounted> {
  const helper = startHelper(path, [mountPoint])
  if ((await helper.line()) !== 'ready') throw new Error('the mount in C did not come about')
  return { folder: mountPoint, usage: () => usageOf(helper.child.pid as number), end: helper.end }
}

/** Makes empty folders to mount on. */
export function mountPointsIn(folder: string): () => string {
  return () => mkdtempSync(join(folder, 'mnt-'))
}
