import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { CallOptions } from '../core/call-options.ts'
import { toScoreError } from '../core/errors.ts'
import { isObjectId } from '../core/object-id.ts'
import { redactUrl } from '../core/redact.ts'
import { errnoOf } from '../files/file-error.ts'
import { createHttpClient } from '../http/http-client.ts'
import { manifestError } from './manifest.ts'

/** Where a manifest is: at an address, at a portal under an id, or in a file. */
export type ManifestResource =
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'id'; readonly id: string }
  | { readonly kind: 'path'; readonly path: string }

/** Tells which by the text alone, as the original does (score-client.md 4). */
export function manifestResource(text: string): ManifestResource {
  if (/^https?:\//i.test(text)) return { kind: 'url', url: text }
  return isObjectId(text) ? { kind: 'id', id: text } : { kind: 'path', path: text }
}

export interface ReadManifestOptions extends CallOptions {
  /** Portal that knows manifests by id; needed for those. */
  readonly portalUrl?: string
  /** Folder that relative paths start from; default the process's. */
  readonly cwd?: string
  readonly fetch?: typeof fetch
}

export interface ManifestText {
  /** As messages name it. */
  readonly name: string
  readonly text: string
}

// The original's words: Java tells file trouble so, and users look for it.
const fileTrouble: Readonly<Record<string, string>> = {
  ENOENT: 'No such file or directory',
  ENOTDIR: 'Not a directory',
  EISDIR: 'Is a directory',
  EACCES: 'Permission denied',
}

async function readFromFile(path: string): Promise<ManifestText> {
  const name = `file:${path}`
  try {
    return { name, text: await readFile(path, 'utf8') }
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === undefined) throw error
    throw manifestError(name, `${path} (${fileTrouble[errno] ?? errno})`, { cause: error })
  }
}

async function readFromUrl(url: string, options: ReadManifestOptions): Promise<ManifestText> {
  const name = redactUrl(url)
  if (!URL.canParse(url)) throw manifestError(name, 'it is no address that can be asked')
  const { origin, pathname, search } = new URL(url)
  const { signal } = options
  try {
    const client = createHttpClient({ baseUrl: origin, ...(options.fetch ? { fetch: options.fetch } : {}) })
    const text = await client.text({ path: `${pathname}${search}` }, signal ? { signal } : {})
    return { name, text }
  } catch (error) {
    signal?.throwIfAborted()
    throw manifestError(name, toScoreError(error).message, { cause: error })
  }
}

/** Fetches a manifest, without any token. @throws `invalid-format` naming the resource and what went wrong. */
export async function readManifest(resource: ManifestResource, options: ReadManifestOptions = {}): Promise<ManifestText> {
  if (resource.kind === 'path') return readFromFile(resolve(options.cwd ?? '.', resource.path))
  if (resource.kind === 'url') return readFromUrl(resource.url, options)
  if (options.portalUrl === undefined) {
    throw manifestError(resource.id, 'it is an id, and no portal is set that knows manifests by id (portal.url)')
  }
  return readFromUrl(`${options.portalUrl.replace(/\/+$/, '')}/api/v1/manifests/${resource.id}`, options)
}
