import { minio, versitygw } from './s3-stores.ts'
import { buildProgram, programPath } from './store-process.ts'

/** Builds what is missing of the stores that `npm run test:services` needs, and says how long each took. */
for (const program of [minio, versitygw]) {
  const started = performance.now()
  const known = programPath(program) !== undefined
  if (!known) buildProgram(program)
  console.log(`${program.name}: ${known ? 'built already' : `built in ${Math.round((performance.now() - started) / 1000)} s`}`)
}
