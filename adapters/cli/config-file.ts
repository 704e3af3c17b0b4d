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

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw refusal(`cannot read configuration file ${path}: ${reason}`, { code: 'invalid-configuration' })
  }
}

async function readLayers(path: string, { profile, environment }: ConfigFileOptions): Promise<ConfigLayer[]> {
  const { isScoreError, parseConfigText, profilesMatch, resolvePlaceholders } = await import('../../src/index.ts')
  const active = new Set([profile])
  const lookUp = (name: string): string | undefined => environment[name] ?? environment[name.toUpperCase().replace(/[.-]/g, '_')]
  const documents = await parseConfigText({ path, text: readText(path) }).catch((error: unknown) => {
    throw isScoreError(error) ? refusal(error.message, { code: error.code }) : error
  })
  return documents
    .filter(({ profiles }) => profiles === undefined || profilesMatch(profiles, active))
    .map(({ values }) => ({ path, values: new Map([...values].map(([key, value]) => [foldKey(key), resolvePlaceholders(value, lookUp)])) }))
    .reverse()
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
