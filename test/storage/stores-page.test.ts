import * as assert from 'uvu/assert'
import { scoreApiContract, storageBackendContract } from '../../src/testing.ts'
import { troubleCases } from '../services/support/s3-trouble.ts'
import { storeFacts } from '../services/support/store-facts.ts'
import { faultCases } from '../services/support/store-faults.ts'
import { recordedResults } from '../support/store-results.ts'
import { storesPage } from '../support/stores-page.ts'
import { suite } from '../support/suite.ts'

const unused = async (): Promise<never> => {
  throw new Error('only the names are asked for')
}

function caseNames(cases: readonly { readonly name: string }[]): string[] {
  return cases.map(({ name }) => name.slice(name.indexOf(': ') + 2)).sort()
}

suite('storage/stores page', (test) => {
  test('docs/stores.md says what the suites found; npm run docs:stores mends it', () => {
    const { current, wanted } = storesPage()
    assert.is(current, wanted)
  })

  for (const store of ['minio', 'versitygw', 'ceph', 'swift', 'azurite'])
    test(`the record of ${store} has every case; record anew by SCORE_RECORD_STORES=1 and its suite`, () => {
      const recorded = recordedResults(store)
      assert.equal(Object.keys(recorded.contract).sort(), caseNames(storageBackendContract(store, unused)))
      if (store === 'azurite') return
      assert.equal(Object.keys(recorded.service).sort(), caseNames(scoreApiContract(store, unused)))
      const own = { trouble: troubleCases, faults: faultCases, facts: storeFacts }
      for (const group of ['trouble', 'faults', 'facts'] as const)
        assert.equal(Object.keys(recorded[group]).sort(), own[group].map(({ name }) => name).sort(), group)
    })
})
