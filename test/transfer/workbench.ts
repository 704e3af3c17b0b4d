import { randomUUID } from 'node:crypto'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ProgressEvent } from '../../src/core/progress.ts'
import type { PartTransport } from '../../src/transfer/part-transport.ts'
import { createTransferEngine, type TransferEngineOptions } from '../../src/transfer/transfer-engine.ts'
import type { TransferEngine } from '../../src/transfer/transfer-task.ts'
import { createPartTransport } from '../../src/transfer/transport/create-part-transport.ts'
import { type ScoreDouble, startScoreDouble } from './score-double.ts'

/** A service, an engine on it and a folder, for one test. */
export interface Workbench {
  readonly score: ScoreDouble
  readonly engine: TransferEngine
  readonly folder: string
  readonly events: ProgressEvent[]
  readonly objectId: string
  /** Waits that the engine asked for, ms. */
  readonly waits: number[]
  newEngine(options?: Partial<TransferEngineOptions>): TransferEngine
  file(name: string, bytes: Uint8Array): Promise<string>
  /** Names in the folder, hidden ones too, except those given. */
  left(...but: string[]): Promise<string[]>
}

/** Deterministic bytes that no two parts share. */
export function someBytes(length: number, seed = 1): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  let state = seed * 2654435761 + 1
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    bytes[i] = state >>> 16
  }
  return bytes
}

export async function withWorkbench(
  work: (bench: Workbench) => Promise<void>,
  options: Partial<TransferEngineOptions> = {},
): Promise<void> {
  const score = await startScoreDouble()
  const folder = await mkdtemp(join(tmpdir(), 'score-transfer-'))
  const events: ProgressEvent[] = []
  const waits: number[] = []
  const engines: TransferEngine[] = []
  // One data plane for all engines of a test, in this thread unless the test says otherwise.
  const transport: PartTransport = options.transport ?? createPartTransport({ workers: 0 })
  const newEngine = (own: Partial<TransferEngineOptions> = {}): TransferEngine => {
    const engine = createTransferEngine({
      api: score.api,
      transport,
      graceMs: 2000,
      sleep: async (ms) => void waits.push(ms),
      ...options,
      ...own,
    })
    engines.push(engine)
    return engine
  }
  try {
    await work({
      score,
      engine: newEngine(),
      folder,
      events,
      waits,
      objectId: randomUUID(),
      newEngine,
      async file(name, bytes) {
        const path = join(folder, name)
        await writeFile(path, bytes)
        return path
      },
      left: async (...but) => (await readdir(folder)).filter((name) => !but.includes(name)),
    })
  } finally {
    for (const engine of engines) await engine.close()
    await transport.close()
    await score.close()
    await rm(folder, { recursive: true, force: true })
  }
}
