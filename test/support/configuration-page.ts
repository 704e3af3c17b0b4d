import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { deadNames, deadProfiles, type ServerSettingSpec, serverSettingTable } from '../../src/compose/server-setting-table.ts'
import { environmentName } from '../../src/compose/server-settings.ts'

const rows: readonly (readonly [property: string, spec: ServerSettingSpec])[] = Object.entries(serverSettingTable)

function defaultOf({ default: plain, profileDefaults = {} }: ServerSettingSpec): string {
  const others = Object.entries(profileDefaults).map(([profile, value]) => `${profile}: \`${value}\``)
  return [...(plain === undefined ? [] : [`\`${plain}\``]), ...others].join('; ') || '–'
}

function table(head: readonly string[], lines: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...lines]
    .map((cells) => `| ${cells.map((cell) => cell.replace(/\|/g, '\\|')).join(' | ')} |`)
    .join('\n')
}

function settings(wanted: (spec: ServerSettingSpec) => boolean): string {
  const chosen = rows.filter(([, spec]) => wanted(spec))
  return table(
    ['property', 'environment', 'kind', 'default', 'meaning'],
    chosen.map(([property, spec]) => {
      const names = [environmentName(property), ...(spec.environment ?? [])].map((name) => `\`${name}\``).join(', ')
      return [`\`${property}\``, names, spec.kind, defaultOf(spec), spec.text]
    }),
  )
}

function without(kind: 'ignored' | 'unsupported'): string {
  const chosen = rows.filter(([, { noEffect }]) => noEffect?.kind === kind)
  return table(
    ['property', 'environment', 'meaning in the original', 'why it has no effect'],
    chosen.map(([property, spec]) => [`\`${property}\``, `\`${environmentName(property)}\``, spec.text, spec.noEffect?.reason ?? '']),
  )
}

function dead(names: Readonly<Record<string, string>>): string {
  return Object.entries(names)
    .map(([name, way]) => `- \`${name}\`: ${way}`)
    .join('\n')
}

/** The page of a server's settings, made of the table that the server reads. */
export function configurationPage(): string {
  return `# Configuration of a server

<!-- Made of src/compose/server-setting-table.ts by \`node --import tsx test/support/configuration-page.ts --write\`; a test holds it to that. -->

\`score serve --data DIR\` needs none of this. Without \`--data\` the server starts from its environment and files, with the names of
the original's settings: the environment of an original deployment starts it unchanged.

- **Order.** Command line, environment, files (later ones first), defaults of the active profiles, defaults.
- **Environment.** The property in capitals, underscores for dots, dashes dropped or underscores. \`SPRING_APPLICATION_JSON\` counts too.
- **Files.** YAML (nested or dotted) or \`.properties\`: \`--config FILE\`, or those in \`SPRING_CONFIG_LOCATION\` and
  \`SPRING_CONFIG_ADDITIONAL_LOCATION\`; a folder stands for its \`application.yml\`, \`application.properties\` and those of the active
  profiles (\`application-prod.yml\`). Documents with \`spring.config.activate.on-profile\` count while it is active.
- **Names.** Case, dashes and underscores do not matter in a file. What is misspelt, unknown, contradictory or without effect is named at
  the start; what cannot be meant ends it. Secrets are never shown.
- **Look.** \`score serve --show-config\` prints every setting with where it comes from; \`score serve --check\` tries them.

## Settings that are followed

${settings((spec) => spec.noEffect === undefined && spec.ours === undefined)}

## Settings that the original does not have

${settings((spec) => spec.noEffect === undefined && spec.ours === true)}

## Accepted, and nothing is lost

${without('ignored')}

## Accepted, and warned about

${without('unsupported')}

## Names that bind to nothing

Examples of the original set these; they have no effect there either, and are named at the start.

${dead(deadNames)}
- \`COLLABORATORY_…\`: leave them out

Profiles that are none any more:

${dead(deadProfiles)}
`
}

if (process.argv[2] === '--write') writeFileSync(join(import.meta.dirname, '..', '..', 'docs', 'configuration.md'), configurationPage())
