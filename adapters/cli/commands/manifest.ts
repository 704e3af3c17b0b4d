import type { Run } from '../command-run.ts'
import { loadConfig } from '../config.ts'
import { readManifestText } from '../manifest-rows.ts'
import { reachOf } from '../network.ts'

export const run: Run<'manifest'> = async (values, _args, context) => {
  const { globals, env, cwd, strict, output } = context
  if (strict) output.say(`Resolving manfiest for '${values.manifest}'`)
  const config = await loadConfig({ globals, environment: env, cwd })
  const { text } = await readManifestText(values.manifest, { config, reach: await reachOf(config, context) }, context)
  output.data(text)
  return 0
}
