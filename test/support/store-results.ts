import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import * as assert from 'uvu/assert'

/** What a suite may say of a store, in the order of the page. */
export const resultGroups = ['contract', 'trouble', 'faults', 'service', 'facts'] as const

export type ResultGroup = (typeof resultGroups)[number]

/** By group and name of the case: `yes`, `no` for a listed deviation, `by chance`; of a fact what the store does. */
export type StoreResults = Readonly<Record<ResultGroup, Readonly<Record<string, string>>>>

const folder = join(import.meta.dirname, '..', 'fixtures', 'stores')

/** What the last recorded run of the store's suite found. */
export function recordedResults(store: string): StoreResults {
  return JSON.parse(readFileSync(join(folder, `${store}.json`), 'utf8')) as StoreResults
}

export interface ResultBook {
  note(group: ResultGroup, name: string, result: string): void
  /** @throws when the record says otherwise; with `SCORE_RECORD_STORES=1` the record is written anew instead. */
  settle(): void
}

/** Keeps what a suite finds of one store, so that the page of the stores says what was found and nothing else. */
export function createResultBook(store: string): ResultBook {
  const found: Record<ResultGroup, Record<string, string>> = { contract: {}, trouble: {}, faults: {}, service: {}, facts: {} }
  return {
    note(group, name, result) {
      found[group][name] = result
    },
    settle() {
      const path = join(folder, `${store}.json`)
      if (process.env['SCORE_RECORD_STORES'] === '1') {
        mkdirSync(dirname(path), { recursive: true })
        writeFileSync(path, `${JSON.stringify(found, null, 2)}\n`)
        return
      }
      const how = 'record what the suites find by: SCORE_RECORD_STORES=1 npm run test:services, then npm run docs:stores'
      assert.equal(found, recordedResults(store), `the record of ${store} is out of date; ${how}`)
    },
  }
}
