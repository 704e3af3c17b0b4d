import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import type { Catalogue, CatalogueOptions } from '../../src/metadata/catalogue/catalogue.ts'
import { openCatalogue } from '../../src/metadata/catalogue/open-catalogue.ts'

export const objectState: CatalogueOptions['objectState'] = { describe: async () => ({ exists: false }) }

export async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'catalogue-'))
  try {
    await body(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

export async function withCatalogue(
  folder: string,
  body: (catalogue: Catalogue) => Promise<void>,
  options: Partial<CatalogueOptions> = {},
): Promise<void> {
  const catalogue = await openCatalogue({ folder, objectState, ...options })
  try {
    await body(catalogue)
  } finally {
    await catalogue.close()
  }
}

export async function idsOf(catalogue: Catalogue): Promise<string[]> {
  const ids: string[] = []
  for await (const entity of catalogue.entities()) ids.push(entity.objectId)
  return ids
}

export interface Worker {
  readonly child: ChildProcess
  readonly output: () => string
}

export function startWorker(folder: string, name: string, rounds?: number): Worker {
  const script = join(import.meta.dirname, 'catalogue-worker.ts')
  const args = ['--import', 'tsx', script, folder, name, ...(rounds === undefined ? [] : [String(rounds)])]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout?.on('data', (data: Buffer) => (output += data))
  return { child, output: () => output }
}

/** Until the worker has told `lines` lines. */
async function told(worker: Worker, lines: number): Promise<void> {
  while (worker.output().split('\n').length <= lines) {
    const ended = await Promise.race([
      once(worker.child.stdout as NodeJS.ReadableStream, 'data').then(() => false),
      once(worker.child, 'exit').then(() => true),
    ])
    if (ended) throw new Error(`the worker ended early: ${worker.output()}`)
  }
}

export async function ended(worker: Worker): Promise<void> {
  if (worker.child.exitCode === null && worker.child.signalCode === null) await once(worker.child, 'close')
}

/** Every acknowledged line holds, and every analysis is whole. */
export async function check(folder: string, lines: readonly string[]): Promise<void> {
  await withCatalogue(folder, async (catalogue) => {
    for (const line of lines.filter((text) => text !== '')) {
      const [verb, analysisId = ''] = line.split(' ')
      const { state, files } = await catalogue.analysis('S', analysisId)
      assert.is(files.length, 3)
      if (verb === 'published') assert.is(state, 'PUBLISHED')
      for (const { objectId } of files) assert.is((await catalogue.entity(objectId)).analysisId, analysisId)
    }
    const all = await idsOf(catalogue)
    assert.is(all.length % 3, 0, 'an analysis is there in part')
    assert.equal(all, [...all].sort())
    for (const objectId of all) {
      const { analysisId } = await catalogue.entity(objectId)
      assert.is((await catalogue.documents.analysis('S', analysisId))['note'], 'n'.repeat(2000))
    }
  })
}

/** Kills a writer `kills` times, each at another moment, and checks after each that nothing acknowledged was lost. */
export async function surviveKills(kills: number): Promise<void> {
  await withFolder(async (folder) => {
    const lines: string[] = []
    for (let round = 0; round < kills; round++) {
      const worker = startWorker(folder, `w${round}`)
      await told(worker, 3 + (round % 6))
      await new Promise((resolve) => setTimeout(resolve, (round * 7) % 11))
      worker.child.kill('SIGKILL')
      await ended(worker)
      lines.push(...worker.output().split('\n'))
      await check(folder, lines)
    }
    assert.ok(lines.length > 3 * kills)
  })
}
