import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Worker, type WorkerOptions } from 'node:worker_threads'

/** False when another bundler took this package in without the worker's file. */
export function threadEntryExists(entry: URL): boolean {
  return entry.protocol === 'file:' && existsSync(fileURLToPath(entry))
}

/** Options of node that are about the text given on the command line; a worker that gets them fails. */
function inheritedOptions(): string[] {
  return process.execArgv.filter((option, i, all) => !option.startsWith('--input-type') && all[i - 1] !== '--input-type')
}

/**
 * Starts a worker thread of this package. Run from its source the entry is a `.ts` file: loaders of the main thread don't reach the
 * entry of a worker (privatenumber/tsx #354), so the worker sets its own up.
 */
export function startThreadEntry(entry: URL, options: Pick<WorkerOptions, 'workerData' | 'resourceLimits'>): Worker {
  if (!entry.href.endsWith('.ts')) return new Worker(entry, { ...options, execArgv: inheritedOptions() })
  const start = `import(${JSON.stringify(import.meta.resolve('tsx/esm/api'))}).then((tsx) => { tsx.register(); return import(${JSON.stringify(entry.href)}) })`
  return new Worker(start, { ...options, eval: true })
}
