import { ScoreError } from '../core/errors.ts'

/** The text of a configuration file, `.properties` or YAML by its name. */
export interface ConfigText {
  readonly path: string
  readonly text: string
}

/** One document of a configuration file. */
export interface ConfigDocument {
  readonly path: string
  /** As the document says it counts for; absent: always. */
  readonly profiles?: string
  /** By dotted name as written. */
  readonly values: ReadonlyMap<string, string>
}

const profileKeys = new Set(['spring.config.activate.onprofile', 'spring.profiles'])

/** How Spring compares names: without case, dashes and underscores. */
export function foldConfigKey(key: string): string {
  return key.toLowerCase().replace(/[-_]/g, '')
}

function unescapeProperty(text: string): string {
  return text.replace(/\\(u[0-9a-fA-F]{4}|.)/g, (_, escaped: string) => {
    if (escaped.length === 5) return String.fromCharCode(Number.parseInt(escaped.slice(1), 16))
    return { t: '\t', n: '\n', r: '\r', f: '\f' }[escaped] ?? escaped
  })
}

/** Java's `.properties`: `key=value`, `key: value` or `key value`, `#` and `!` comments, a final backslash continues. */
export function parseProperties(text: string): Map<string, string> {
  const values = new Map<string, string>()
  const joined = text.replace(/(?<!\\)((?:\\\\)*)\\\r?\n[ \t\f]*/g, '$1')
  for (const line of joined.split(/\r?\n/)) {
    const match = /^[ \t\f]*((?:[^#!=:\s\\]|\\.)(?:[^=:\s\\]|\\.)*)[ \t\f]*[=:]?[ \t\f]*(.*)$/.exec(line)
    if (match) values.set(unescapeProperty(match[1] as string), unescapeProperty(match[2] as string).trimEnd())
  }
  return values
}

/** Nested names joined by dots; a list of plain values is one value with commas. */
export function flattenConfig(value: unknown, prefix = '', into = new Map<string, string>()): Map<string, string> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    for (const [key, inner] of Object.entries(value)) flattenConfig(inner, prefix === '' ? key : `${prefix}.${key}`, into)
  } else if (prefix !== '') {
    into.set(prefix, value === null || value === undefined ? '' : String(value))
  }
  return into
}

async function parseYaml({ path, text }: ConfigText): Promise<Map<string, string>[]> {
  const { parseAllDocuments } = await import('yaml')
  const documents = parseAllDocuments(text)
  return (Array.isArray(documents) ? documents : []).map((document) => {
    const [error] = document.errors
    if (error)
      throw new ScoreError('invalid-configuration', `configuration file ${path} is not valid YAML: ${error.message.split('\n')[0]}`)
    const content: unknown = document.toJS()
    if (content !== null && (typeof content !== 'object' || Array.isArray(content)))
      throw new ScoreError(
        'invalid-configuration',
        `configuration file ${path} must hold names and values, such as 'storage.url: http://localhost:5431'`,
      )
    return flattenConfig(content)
  })
}

/**
 * The documents of a file, in its order: YAML's `---`, and `#---` in a `.properties` file.
 *
 * @throws `invalid-configuration` naming the file when it cannot be understood.
 */
export async function parseConfigText(file: ConfigText): Promise<ConfigDocument[]> {
  const parts = file.path.endsWith('.properties') ? file.text.split(/^[#!]---[ \t]*$/m).map(parseProperties) : await parseYaml(file)
  return parts.map((values) => {
    const profiles = [...values].find(([key]) => profileKeys.has(foldConfigKey(key)))?.[1]
    return { path: file.path, values, ...(profiles === undefined ? {} : { profiles }) }
  })
}

/** Whether a document for these profiles counts: `a, b` and `a | b` is any, `a & b` all, `!a` not. */
export function profilesMatch(expression: string, active: ReadonlySet<string>): boolean {
  return expression.split(/[,|]/).some((any) =>
    any.split('&').every((part) => {
      const name = part.trim()
      return name.startsWith('!') ? !active.has(name.slice(1).trim()) : active.has(name)
    }),
  )
}

/** `${NAME:default}` as Spring reads it: what `lookUp` knows, or what follows the colon. */
export function resolvePlaceholders(text: string, lookUp: (name: string) => string | undefined): string {
  return text.replace(/\$\{([^}:]+)(?::([^}]*))?\}/g, (_, name: string, fallback: string | undefined) => lookUp(name) ?? fallback ?? '')
}
