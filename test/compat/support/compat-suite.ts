import { suite } from '../../support/suite.ts'
import { missingOriginal } from './original-client.ts'
import { createWorld, type World } from './world.ts'

export type CompatTest = (name: string, body: (world: World) => Promise<void>) => void

/**
 * A suite on one {@link World}, made before the first test; every test is skipped where the original is not there.
 *
 * @param make - default: one with a data folder.
 */
export function compatSuite(
  name: string,
  define: (test: CompatTest) => void,
  prepare: (world: World) => Promise<void> = async () => {},
  make: () => Promise<World> = createWorld,
): void {
  suite(name, (test) => {
    const missing = missingOriginal()
    if (missing !== undefined) {
      define((testName) => test.skip(testName, missing))
      return
    }
    let world: World | undefined
    test.before(async () => {
      world = await make()
      await prepare(world)
    })
    test.after(() => world?.close())
    define((testName, body) => {
      test(testName, async () => {
        if (world === undefined) throw new Error('there is no server')
        world.proxy.clear()
        await body(world)
      })
    })
  })
}
