import { surviveKills } from '../metadata/catalogue-kills.ts'
import { suite } from '../support/suite.ts'

suite('embedded catalogue, killed often', (test) => {
  test('kill -9 at 25 moments loses nothing that was acknowledged', () => surviveKills(25))
})
