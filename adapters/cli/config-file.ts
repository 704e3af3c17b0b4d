import { readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Environment } from './context.ts'
import { refusal } from './refusal.ts'
import { foldKey } from './setting-table.ts'

/** One document of a configuration file: folded key → value, and the file it stands in. */
export interface ConfigLayer {
  readonly path: string
  readonly values: ReadonlyMap<string, string>
}

export interface ConfigFileOptions {
  readonly profile: string
  readonly environment: Environment
}

const profileKeys = ['spring.config.activate.onprofile', 'spring.profiles']

function flatten(value: unknown, prefix: string, into: Map<string, string>): void {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    for (const [key, inner] of Object.entries(value)) flatten(inner, prefix === '' ? key : `${prefix}.${key}`, into)
  } else if (prefix !== '') {
    into.set(foldKey(prefix), value === null || value === undefined ? '' : String(value))
  }
}

/** `${NAME:default}` as Spring reads it: a variable of the environment, or what follows the colon. */
function resolvePlaceholders(text: string, environment: Environment): string {
  return text.replace(/\$\{([^}:]+)(?::([^}]*))?\}/g, (_, name: string, fallback: string | undefined) => {
    return environment[name] ?? environment[name.toUpperCase().replace(/[.-]/g, '_')] ?? fallback ?? ''
  })
}

/** Java's `.properties`: `key=value`, `key: value` or `key value`, `#` and `!` comments, a final backslash continues. */
export function parseProperties(text: string): Map<string, string> {
  const values = new Map<string, string>()
  const joined = text.replace(/(?<!\\)((?:\\\\)*)\\\r?\n[ \t\f]*/g, '$1')
  for (const line of joined.split(/\r?\n/)) {
    const match = /^[ \t\f]*((?:[^#!=:\s\\]|\\.)(?:[^=:\s\\]|\\.)*)[ \t\f]*[=:]?[ \t\f]*(.*)$/.exec(line)
    if (!match) continue
    const decode = (part: string): string =>
      part.replace(/\\(u[0-9a-fA-F]{4}|.)/g, (_, escaped: string) => {
        if (escaped.length === 5) return String.fromCharCode(Number.parseInt(escaped.slice(1), 16))
        return { t: '\t', n: '\n', r: '\r', f: '\f' }[escaped] ?? escaped
      })
    values.set(foldKey(decode(match[1] as string)), decode(match[2] as string).trimEnd())
  }
  return values
}

async function parseYaml(text: string, path: string): Promise<Map<string, string>[]> {
  const { parseAllDocuments } = await import('yaml')
  const documents = parseAllDocuments(text)
  return (Array.isArray(documents) ? documents : []).map((document) => {
    const [error] = document.errors
    if (error)
      throw refusal(`configuration file ${path} is not valid YAML: ${error.message.split('\n')[0]}`, { code: 'invalid-configuration' })
    const content: unknown = document.toJS()
    if (content !== null && (typeof content !== 'object' || Array.isArray(content)))
      throw refusal(`configuration file ${path} must hold names and values, such as 'storage.url: http://localhost:5431'`, {
        code: 'invalid-configuration',
      })
    const values = new Map<string, string>()
    flatten(content, '', values)
    return values
  })
}

function appliesTo(profile: string, values: ReadonlyMap<string, string>): boolean {
  const wanted = profileKeys.map((key) => values.get(key)).find((value) => value !== undefined)
  return wanted === undefined || wanted.split(/[,\s]+/).includes(profile)
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw refusal(`cannot read configuration file ${path}: ${reason}`, { code: 'invalid-configuration' })
  }
}

async function readLayers(path: string, options: ConfigFileOptions): Promise<ConfigLayer[]> {
  const text = readText(path)
  const documents = path.endsWith('.properties') ? [parseProperties(text)] : await parseYaml(text, path)
  const layers = documents
    .filter((values) => appliesTo(options.profile, values))
    .map((values) => ({ path, values: new Map([...values].map(([key, value]) => [key, resolvePlaceholders(value, options.environment)])) }))
  return layers.reverse()
}

/** The original's files in a folder: those of the profile first, `.properties` before `.yml`. */
function filesOfFolder(folder: string, profile: string): string[] {
  const names = [`application-${profile}`, 'application'].flatMap((name) =>
    ['.properties', '.yml', '.yaml'].map((extension) => name + extension),
  )
  return [...names, 'config.yml', 'config.yaml']
    .map((name) => join(folder, name))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile())
}

/**
 * Reads a configuration file, or the original's files in a folder; the strongest layer first.
 *
 * @throws a refusal naming the file when it cannot be read or understood.
 */
export async function readConfigFiles(path: string, options: ConfigFileOptions): Promise<ConfigLayer[]> {
  const full = resolve(path)
  const folder = statSync(full, { throwIfNoEntry: false })?.isDirectory()
  const files = folder ? filesOfFolder(full, options.profile) : [full]
  const layers: ConfigLayer[] = []
  for (const file of files) layers.push(...(await readLayers(file, options)))
  return layers
}
