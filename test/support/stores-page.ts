import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { azureDeviations } from '../../src/azure.ts'
import { s3Deviations } from '../../src/s3.ts'
import { type ResultGroup, recordedResults } from './store-results.ts'

const page = join(import.meta.dirname, '..', '..', 'docs', 'stores.md')
const [begin, end] = ['<!-- found by the suites: begin -->', '<!-- found by the suites: end -->']

const deviations = { ...s3Deviations, ...azureDeviations }
const stores = Object.keys(deviations) as (keyof typeof deviations)[]
const results = Object.fromEntries(stores.map((store) => [store, recordedResults(store)]))

function table(head: readonly string[], lines: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...lines]
    .map((cells) => `| ${cells.map((cell) => cell.replace(/\|/g, '\\|')).join(' | ')} |`)
    .join('\n')
}

/** One row for each case of a group, one column for each store that has any. */
function groupTable(group: ResultGroup, first: string): string {
  const asked = stores.filter((store) => Object.keys(results[store]?.[group] ?? {}).length > 0)
  const named = asked.flatMap((store) => Object.keys(results[store]?.[group] ?? {}))
  // About the list of deviations, not about the store.
  const names = new Set(named.filter((name) => name !== 'every listed deviation names a case and a reason'))
  return table(
    [first, ...asked],
    [...names].map((name) => [name, ...asked.map((store) => results[store]?.[group][name] ?? '–')]),
  )
}

function serviceLine(): string {
  const counted = stores.flatMap((store) => {
    const kept = Object.values(results[store]?.service ?? {})
    return kept.length === 0 ? [] : [`${store} ${kept.filter((one) => one === 'yes').length} of ${kept.length}`]
  })
  return `The contract of the service itself (\`scoreApiContract\`), cases kept on each store: ${counted.join(', ')}.`
}

function deviationTable(): string {
  const rows = Object.entries(s3Deviations).flatMap(([store, listed]) => listed.map(({ caseName, reason }) => [store, caseName, reason]))
  return table(['store', 'case', 'why'], rows)
}

function found(): string {
  return `${begin}
<!-- Made of test/fixtures/stores/*.json, which the suites record, and of the lists of deviations, by \`npm run docs:stores\`. -->

### What holds on which store

Each row is a case of \`storageBackendContract\`. *no* is a deviation that is listed with its reason below; *by chance* one that shows only
when two writers meet.

${groupTable('contract', 'promise')}

${serviceLine()}

### Trouble

Each row is a test with the real store, the lower ones with a proxy before it that misbehaves; client, service and driver are the real
ones, and after each the file is fetched and compared.

${groupTable('trouble', 'trouble of the store')}

${groupTable('faults', 'trouble on the way')}

### What S3 stores do otherwise

The list is \`s3Deviations\` of \`score-sdk/s3\`; that of Azure is [above](#what-azure-does-otherwise).

${deviationTable()}

### What the driver makes up for

How the stores answer when they are asked without the driver; a change of any fails its suite.

${groupTable('facts', 'what')}
${end}`
}

/** The page as it is, and as it would be with what was recorded. */
export function storesPage(): { readonly current: string; readonly wanted: string } {
  const current = readFileSync(page, 'utf8')
  const [from, to] = [current.indexOf(begin), current.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`docs/stores.md lacks the lines ${begin} and ${end}`)
  return { current, wanted: current.slice(0, from) + found() + current.slice(to + end.length) }
}

if (process.argv.includes('--write')) writeFileSync(page, storesPage().wanted)
