import type { ProgressEvent, ProgressSink } from '../../src/index.ts'
import { formatBytes, formatDuration, formatRate, printable } from './format.ts'
import type { Output } from './output.ts'

export interface ProgressViewOptions {
  readonly output: Output
  /** Milliseconds. */
  readonly now: () => number
  /** Objects in the whole set; more than one are counted in the line. */
  readonly objects: number
  /** Calls back every so often until the function it gives is called; tests bring their own. */
  readonly every?: (ms: number, work: () => void) => () => void
}

/** Shows how a set of transfers goes on: one rewritten line on a terminal, a plain line every ten seconds elsewhere, or JSON. */
export interface ProgressView {
  readonly sink: ProgressSink
  /** Takes the line away. */
  stop(): void
}

interface ObjectProgress {
  readonly name: string
  readonly direction: 'upload' | 'download'
  readonly totalBytes: number
  readonly totalParts: number
  movedBytes: number
  keptBytes: number
  parts: number
  verifying?: number
  finished: boolean
}

const lineEveryMs = 10_000
const redrawEveryMs = 500
const jsonEveryMs = 1000
const windowMs = 8000

/** Calls back every so often, without keeping the process; until the function it gives is called. */
export function everyMs(ms: number, work: () => void): () => void {
  const timer = setInterval(work, ms)
  timer.unref()
  return () => clearInterval(timer)
}

/** Bytes a second over the last seconds, so that a stall shows and a slow start is forgotten. */
function createRate(now: () => number): (bytes: number) => number {
  const samples: { readonly at: number; readonly bytes: number }[] = [{ at: now(), bytes: 0 }]
  return (bytes) => {
    const at = now()
    samples.push({ at, bytes })
    while (samples.length > 2 && (samples[0] as { at: number }).at < at - windowMs) samples.shift()
    const first = samples[0] as { at: number; bytes: number }
    return at > first.at ? Math.max(0, ((bytes - first.bytes) * 1000) / (at - first.at)) : 0
  }
}

function apply(objects: Map<string, ObjectProgress>, event: ProgressEvent): void {
  if (event.type === 'started') {
    const { name, direction, totalBytes, totalParts } = event
    objects.set(event.objectId, { name, direction, totalBytes, totalParts, movedBytes: 0, keptBytes: 0, parts: 0, finished: false })
    return
  }
  const object = objects.get(event.objectId)
  if (!object) return
  if (event.type === 'bytes') object.movedBytes += event.count
  else if (event.type === 'part') {
    object.parts++
    if (event.outcome === 'kept') object.keptBytes += event.bytes
  } else if (event.type === 'verifying') object.verifying = event.totalBytes === 0 ? 1 : event.doneBytes / event.totalBytes
  else if (event.type === 'finished') object.finished = true
}

function sum(objects: Iterable<ObjectProgress>, field: (object: ObjectProgress) => number): number {
  let total = 0
  for (const object of objects) total += field(object)
  return total
}

function describe(objects: ReadonlyMap<string, ObjectProgress>, all: number, rate: (bytes: number) => number): string {
  const held = [...objects.values()]
  const total = sum(held, (object) => object.totalBytes)
  const moved = sum(held, (object) => object.movedBytes)
  const done = Math.min(total, moved + sum(held, (object) => object.keptBytes))
  const speed = rate(moved)
  const running = held.filter((object) => !object.finished)
  const verifying = running.find((object) => object.verifying !== undefined && object.movedBytes + object.keptBytes >= object.totalBytes)
  const percent = total === 0 ? 100 : Math.floor((100 * done) / total)
  const fields = [
    `${String(percent).padStart(3)}%`,
    `${formatBytes(done)} of ${formatBytes(total)}`,
    formatRate(speed),
    speed > 0 ? `ETA ${formatDuration((total - done) / speed)}` : 'ETA -:--',
    `parts ${sum(held, (object) => object.parts)}/${sum(held, (object) => object.totalParts)}`,
  ]
  if (all > 1) fields.push(`files ${held.length - running.length}/${all}`)
  if (verifying) fields.push(`checking ${Math.floor(100 * (verifying.verifying ?? 0))}%`)
  const name = printable((running[0] ?? held[0])?.name.split('/').at(-1) ?? '')
  return `${fields.join('  ')}  ${name}`
}

export function createProgressView(options: ProgressViewOptions): ProgressView {
  const { output, now, every = everyMs } = options
  const objects = new Map<string, ObjectProgress>()
  const rate = createRate(now)
  const totals = (): object => {
    const held = [...objects.values()]
    const bytes = sum(held, (object) => object.movedBytes + object.keptBytes)
    return { type: 'progress', bytes, totalBytes: sum(held, (object) => object.totalBytes), parts: sum(held, (object) => object.parts) }
  }
  const tick = (): void => {
    if (objects.size === 0) return
    if (output.json) output.event(totals())
    else if (output.interactive) output.progressLine(describe(objects, options.objects, rate))
    else output.say(describe(objects, options.objects, rate).trim())
  }
  const pace = output.json ? jsonEveryMs : output.interactive ? redrawEveryMs : lineEveryMs
  const stop = output.json || output.showsProgress ? every(pace, tick) : () => {}
  return {
    sink: (event) => {
      apply(objects, event)
      if (output.json && event.type !== 'bytes' && event.type !== 'verifying') output.event(event)
      if (output.showsProgress && event.type === 'retry')
        output.say(
          `${printable(objects.get(event.objectId)?.name ?? event.objectId)}: ${event.reason}; next try in ${formatDuration(event.waitMs / 1000)}`,
        )
    },
    stop: () => {
      stop()
      output.clearProgressLine()
    },
  }
}
