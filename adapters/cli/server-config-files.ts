import { readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { ConfigText } from '../../src/index.ts'
import type { CommandContext } from './context.ts'
import { refusal } from './refusal.ts'

type Wanted = Pick<CommandContext, 'globals' | 'env' | 'cwd'>

interface Place {
  readonly path: string
  readonly named: string
  /** `optional:` in Spring: no error when it is not there. */
  readonly optional: boolean
}

const locationVariables = ['SPRING_CONFIG_LOCATION', 'SPRING_CONFIG_ADDITIONAL_LOCATION', 'SPRING_CONFIG_ADDITIONALLOCATION']

/** The places of one variable; those inside of a Java program are its own defaults, which ours has too. */
function placesOf(name: string, value: string): Place[] {
  return value
    .split(/[,;]/)
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '' && !/^(optional:)?classpath:/.test(entry))
    .map((entry) => ({
      path: entry.replace(/^optional:/, '').replace(/^file:(\/\/)?/, ''),
      named: `environment ${name}`,
      optional: entry.startsWith('optional:'),
    }))
}

function allPlaces({ globals, env }: Wanted): Place[] {
  const fromEnvironment = locationVariables.flatMap((name) => placesOf(name, env[name] ?? ''))
  return globals.config === undefined
    ? fromEnvironment
    : [...fromEnvironment, { path: globals.config, named: 'option --config', optional: false }]
}

function readText(path: string, named: string): ConfigText {
  try {
    return { path, text: readFileSync(path, 'utf8') }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw refusal(`cannot read configuration file ${path} (${named}): ${reason}`, { code: 'invalid-configuration' })
  }
}

function readPlace({ path, named, optional }: Place, cwd: string, suffixes: readonly string[]): ConfigText[] {
  const full = resolve(cwd, path)
  const entry = statSync(full, { throwIfNoEntry: false })
  if (!entry && optional) return []
  if (!entry) throw refusal(`configuration file ${full} (${named}) does not exist; check the name`, { code: 'invalid-configuration' })
  if (!entry.isDirectory()) return suffixes.includes('') ? [readText(full, named)] : []
  // As Spring: `.properties` wins over YAML, and what comes later wins.
  return suffixes
    .flatMap((suffix) => ['.yaml', '.yml', '.properties'].map((extension) => join(full, `application${suffix}${extension}`)))
    .filter((file) => statSync(file, { throwIfNoEntry: false })?.isFile())
    .map((file) => readText(file, named))
}

/**
 * The configuration files of a server, later ones stronger: those that Spring would be told of, then `--config`. A folder
 * stands for its `application` files and those of the active profiles.
 *
 * @throws a refusal naming the file when one that was named cannot be read.
 */
export async function readServerFiles(wanted: Wanted): Promise<readonly ConfigText[]> {
  const places = allPlaces(wanted)
  const base = places.flatMap((place) => readPlace(place, wanted.cwd, ['']))
  const { readServerConfig } = await import('../../src/index.ts')
  const { config } = await readServerConfig({ env: wanted.env, files: base })
  return [
    ...base,
    ...places.flatMap((place) =>
      readPlace(
        place,
        wanted.cwd,
        config.profiles.map((profile) => `-${profile}`),
      ),
    ),
  ]
}
