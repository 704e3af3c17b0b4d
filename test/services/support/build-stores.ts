import { s3Stores } from './s3-stores.ts'
import { buildProgram, howToGet, isThere } from './store-program.ts'

/** Builds what is missing of the stores that `npm run test:services` needs, starts each, and says how long both took. */
const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1)} s`

for (const { program, start } of Object.values(s3Stores)) {
  const began = performance.now()
  const known = isThere(program)
  if (!known && 'module' in program) buildProgram(program)
  if (!isThere(program)) throw new Error(howToGet(program))
  const got = known ? 'there already' : `built in ${seconds(began)}`
  const starting = performance.now()
  const store = await start()
  console.log(`${program.name}: ${got}, started in ${seconds(starting)}`)
  await store.stop()
}
