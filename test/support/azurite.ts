import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { ContainerClient } from '@azure/storage-blob'
import { type AzureBackendOptions, createAzureBackend } from '../../src/azure.ts'
import { completeAzureBlockUrl } from '../../src/core/azure-block-id.ts'
import type { StorageBackend } from '../../src/storage/storage-backend.ts'
import { freePort } from './free-port.ts'

/** Azurite's own account; everybody knows it. */
export const azuriteAccount = {
  accountName: 'devstoreaccount1',
  accountKey: 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==',
} as const

export interface Azurite {
  /** With the account in its path. */
  readonly endpoint: string
  /** Of a container that exists. */
  backend(options?: Partial<AzureBackendOptions>): StorageBackend
  container(name: string): Promise<ContainerClient>
  stop(): Promise<void>
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  await new Promise((resolve) => child.once('exit', resolve))
}

const patienceMs = 180_000

async function untilReady(endpoint: string, child: ChildProcess, log: readonly string[]): Promise<void> {
  const deadline = Date.now() + patienceMs
  for (;;) {
    const answered = await fetch(`${endpoint}?comp=list`, { signal: AbortSignal.timeout(5000) }).then(
      async (answer) => {
        await answer.arrayBuffer()
        return true
      },
      () => false,
    )
    if (answered) return
    if (child.exitCode !== null || Date.now() > deadline) throw new Error(`Azurite did not start:\n${log.join('').slice(-4000)}`)
    await wait(50)
  }
}

async function launch(folder: string, kept: boolean): Promise<{ readonly child: ChildProcess; readonly endpoint: string }> {
  const port = await freePort()
  const program = join(createRequire(import.meta.url).resolve('azurite/package.json'), '../dist/src/blob/main.js')
  const place = kept ? ['--location', folder] : ['--inMemoryPersistence']
  const options = ['--blobHost', '127.0.0.1', '--blobPort', String(port), '--silent', '--disableTelemetry', '--skipApiVersionCheck']
  const child = spawn(process.execPath, [program, ...options, ...place], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  const log: string[] = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => log.push(chunk.toString()))
  process.once('exit', () => child.kill('SIGKILL'))
  const endpoint = `http://127.0.0.1:${port}/${azuriteAccount.accountName}`
  try {
    await untilReady(endpoint, child, log)
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  }
  return { child, endpoint }
}

/** Starts Azurite on a free port. @param options.kept - on disk instead of in memory: for large objects. */
export async function startAzurite(options: { readonly kept?: boolean; readonly containers?: readonly string[] } = {}): Promise<Azurite> {
  const { kept = false, containers = ['data'] } = options
  const folder = await mkdtemp(join(tmpdir(), 'score-azurite-'))
  const { child, endpoint } = await launch(folder, kept)
  const container = async (name: string): Promise<ContainerClient> => {
    const { BlobServiceClient, StorageSharedKeyCredential } = await import('@azure/storage-blob')
    const key = new StorageSharedKeyCredential(azuriteAccount.accountName, azuriteAccount.accountKey)
    return new BlobServiceClient(endpoint, key).getContainerClient(name)
  }
  for (const name of containers) await (await container(name)).create()
  const credential = { accountKey: azuriteAccount.accountKey }
  return {
    endpoint,
    backend: (more = {}) => createAzureBackend({ accountName: azuriteAccount.accountName, credential, endpoint, ...more }),
    container,
    async stop() {
      child.kill('SIGKILL')
      await ended(child)
      await rm(folder, { recursive: true, force: true, maxRetries: 3 })
    },
  }
}

/** Sends requests as the contracts' cases make them, and parts in the dialect of Azure: as S3 would take and answer them. */
export async function sendToAzure(url: string, init: RequestInit): Promise<Response> {
  if (init.method !== 'PUT' || !url.includes('comp=block&')) return fetch(url, init)
  const body = Buffer.from(await new Response(init.body).arrayBuffer())
  const md5 = createHash('md5').update(body).digest()
  const headers = { 'content-md5': md5.toString('base64'), ...(init.headers as Record<string, string> | undefined) }
  const answer = await fetch(completeAzureBlockUrl(url, { md5: md5.toString('hex'), sentAt: Date.now() }), { ...init, headers, body })
  return new Response(await answer.arrayBuffer(), { status: answer.status, headers: { etag: `"${md5.toString('hex')}"` } })
}
