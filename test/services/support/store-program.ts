import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'

/** Where programs that are built from source are kept between runs, outside the repository. */
const programs = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'score-sdk-ci', 'bin')

/** Real programs that a suite needs, and the one line that gets them. */
export type StoreProgram =
  | {
      readonly name: string
      /** For `go install`. */
      readonly module: string
    }
  | {
      readonly name: string
      /** Debian packages, and the commands that are there when they are installed. */
      readonly packages: readonly string[]
      readonly commands: readonly string[]
    }

function onPath(command: string): boolean {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin']
  return folders.some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** Where a program that was built lies; `undefined` when it was not. */
export function programPath(program: { readonly name: string }): string | undefined {
  const path = join(programs, program.name)
  return existsSync(path) ? path : undefined
}

export function isThere(program: StoreProgram): boolean {
  return 'module' in program ? programPath(program) !== undefined : program.commands.every(onPath)
}

/** For whoever sees the suite skipped. */
export function howToGet(program: StoreProgram): string {
  return 'module' in program
    ? `${program.name} is not built; get it with: GOBIN="${programs.replace(homedir(), '$HOME')}" go install ${program.module}`
    : `${program.name} is not installed; get it with: apt-get install --no-install-recommends ${program.packages.join(' ')}`
}

/** @throws when there is no Go, or its module does not build. */
export function buildProgram(program: StoreProgram & { readonly module: string }): void {
  mkdirSync(programs, { recursive: true })
  const { error, status } = spawnSync('go', ['install', program.module], { stdio: 'inherit', env: { ...process.env, GOBIN: programs } })
  if (error !== undefined || status !== 0) throw new Error(`${howToGet(program)} (needs Go 1.24 or newer)`, { cause: error })
}

/** @throws when it was not built. */
export function requirePath(program: StoreProgram): string {
  const path = programPath(program)
  if (path === undefined) throw new Error(howToGet(program))
  return path
}
