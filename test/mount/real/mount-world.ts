import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import {
  type CliServer,
  type CliServerPlace,
  type CliWorld,
  createCliWorld,
  type Ended,
  type Started,
  until,
} from '../../adapters/cli/cli-world.ts'
import type { SuiteApi } from '../../support/suite.ts'

export interface Uploaded {
  readonly objectId: string
  readonly path: string
}

type Line = Readonly<Record<string, unknown>>
type Program = 'score' | 'score-client'

export function jsonLines(text: string): Line[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Line)
}

/** Starts the server of a world. */
export type Serve = (place: CliServerPlace) => Promise<CliServer>

/** A server with three objects, and mounts of it that end with each test. */
export interface MountWorld {
  readonly cli: CliWorld
  /** `a.bin`, `one.bin`, `b.bin` of 3,000,001, 1 and 70,000 bytes. */
  readonly files: readonly Uploaded[]
  /** Registers, uploads and publishes files of the folder, as one analysis. */
  upload(study: string, names: readonly string[]): Promise<readonly Uploaded[]>
  /** A new empty folder. */
  pointOf(name: string): string
  ended(args: readonly string[], program?: Program): Promise<Ended>
  /** `score mount --json` in front; resolves when it is ready. It is ended with the test. */
  mounted(point: string, ...args: readonly string[]): Promise<Started>
  status(): Promise<Line[]>
  /** Ends and takes away what the test left. */
  cleanUp(): Promise<void>
  close(): Promise<void>
}

export async function createMountWorld(serve?: Serve): Promise<MountWorld> {
  const cli = await createCliWorld(serve)
  const started: Started[] = []
  const points: string[] = []
  const sizes = { 'a.bin': 3_000_001, 'one.bin': 1, 'b.bin': 70_000 }
  for (const [name, size] of Object.entries(sizes)) cli.makeFile(name, size)
  const upload = async (study: string, names: readonly string[]): Promise<readonly Uploaded[]> => {
    const { code, stdout, stderr } = await cli.run(['upload', '--study', study, ...names, '--json'])
    assert.is(code, 0, stderr)
    const summary = jsonLines(stdout).find(({ type }) => type === 'summary') as { readonly files?: readonly Uploaded[] } | undefined
    return summary?.files ?? []
  }
  const files = await upload('DEMO', Object.keys(sizes)).catch(async (error: unknown) => {
    await cli.close()
    throw error
  })
  const start = (args: readonly string[], program: Program = 'score'): Started => {
    const one = cli.start(args, { program, env: program === 'score-client' ? cli.named : {} })
    started.push(one)
    return one
  }
  return {
    cli,
    files,
    upload,
    pointOf(name) {
      const path = join(cli.folder, name)
      mkdirSync(path)
      points.push(path)
      return path
    },
    ended: (args, program) => start(args, program).ended,
    async mounted(point, ...args) {
      const one = start(['mount', '--mount-point', point, '--json', ...args])
      await until('the mount to be ready', () => one.stdout().includes('"ready"') || one.child.exitCode !== null)
      assert.is(one.child.exitCode, null, one.stderr())
      return one
    },
    status: async () => jsonLines((await cli.run(['mount', '--status', '--json'])).stdout),
    async cleanUp() {
      for (const point of points.splice(0)) {
        spawnSync('umount', ['-l', point], { stdio: 'ignore', timeout: 60_000 })
        if (existsSync(point) && readdirSync(point).length === 0) rmdirSync(point)
      }
      for (const { child, ended } of started.splice(0)) {
        child.kill('SIGKILL')
        await ended
      }
    },
    close: () => cli.close(),
  }
}

export type MountTest = (name: string, body: () => Promise<void>) => void

/**
 * Makes a world before a suite's first test, cleans up after each, and closes it at the end.
 *
 * @param missing why nothing can be mounted here
 * @param prepare given the world, before the first test
 * @param serve starts its server; default `score serve`
 * @returns how to add a test: where something is missing, it is skipped with that reason
 */
export function onMountWorld(
  plain: SuiteApi<Record<string, unknown>>,
  missing: string | undefined,
  prepare: (world: MountWorld) => Promise<void> | void,
  serve?: Serve,
): MountTest {
  if (missing !== undefined) return (name) => plain.skip(name, missing)
  let world: MountWorld | undefined
  plain.before(async () => {
    world = await createMountWorld(serve)
    await prepare(world)
  })
  plain.afterEach(() => world?.cleanUp())
  plain.after(() => world?.close())
  return plain
}
