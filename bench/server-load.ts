/** Load for the benches of the server: the same number of requests to each side in turns, every answer compared. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { availableParallelism } from 'node:os'

export interface Side {
  readonly name: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

/** A side that was measured in turns with others. */
export interface Turn {
  /** Requests a second. */
  readonly rate: number
  /** Processor time of the server for one request, in microseconds; where it tells. */
  readonly cpu?: number
}

/** What signed URLs change with the time of signing, left out: what is left is the same in every answer. */
export function stable(text: string): string {
  return text.replace(/((?:X-Amz-)?(?:Expires|Signature|Date))=[^&"]*/g, '$1=')
}

function ask(agent: Agent, { url, headers }: Side): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent, headers }, (response) => {
      const pieces: Buffer[] = []
      response.on('data', (piece: Buffer) => pieces.push(piece))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(pieces).toString() }))
    })
    sent.on('error', reject)
    sent.end()
  })
}

export async function askOnce(side: Side): Promise<string> {
  const agent = new Agent()
  const { status, text } = await ask(agent, side)
  agent.destroy()
  if (status !== 200) throw new Error(`${side.name} answered ${status}: ${text}`)
  return text
}

/** @returns requests a second. @throws when an answer is not what `askOnce` got. */
export async function measure(side: Side, load: { readonly requests: number; readonly connections: number }): Promise<number> {
  const expected = stable(await askOnce(side))
  const agent = new Agent({ keepAlive: true, maxSockets: load.connections })
  let left = load.requests
  const started = performance.now()
  const one = async (): Promise<void> => {
    while (left > 0) {
      left--
      const { status, text } = await ask(agent, side)
      if (status !== 200 || stable(text) !== expected) throw new Error(`${side.name} answered ${status}: ${text.slice(0, 300)}`)
    }
  }
  await Promise.all(Array.from({ length: load.connections }, one))
  const took = (performance.now() - started) / 1000
  agent.destroy()
  return load.requests / took
}

export interface Spread {
  readonly least: number
  readonly middle: number
  readonly most: number
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (index: number): number => sorted[index] as number
  return { least: at(0), middle: at(Math.floor(sorted.length / 2)), most: at(sorted.length - 1) }
}

export function spreadText({ least, middle, most }: Spread, digits: number): string {
  return [least, middle, most].map((value) => value.toFixed(digits)).join(' / ')
}

function hasTaskset(): boolean {
  try {
    execFileSync('taskset', ['-p', String(process.pid)], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Whether servers run on the first processor alone, and the load on the second; where there are two, and Linux's `taskset`. */
export const pinned = availableParallelism() > 1 && hasTaskset()
if (pinned) execFileSync('taskset', ['-a', '-p', '-c', '1', String(process.pid)], { stdio: 'ignore' })

/** Starts a program of ours that tells of its side, and of its processor time when asked. */
export async function startSide(
  file: string,
  args: readonly string[],
): Promise<{ readonly side: Side; cpu(): Promise<number>; stop(): Promise<void> }> {
  const command = [...(pinned ? ['taskset', '-c', '0'] : []), process.execPath, file, ...args]
  const child: ChildProcess = spawn(command[0] as string, command.slice(1), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const [side] = (await once(child, 'message')) as [Side]
  return {
    side,
    async cpu() {
      child.send('cpu')
      const [micros] = (await once(child, 'message')) as [number]
      return micros
    },
    async stop() {
      child.kill('SIGTERM')
      await once(child, 'exit')
    },
  }
}
