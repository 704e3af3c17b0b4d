import type { Run } from '../command-run.ts'
import { packageVersion } from '../package-version.ts'

export const run: Run<'version'> = async (_values, _args, { strict, output }) => {
  const version = packageVersion()
  if (output.json) output.event({ type: 'version', version, node: process.version })
  else if (strict) output.say(` Version: ${version}\n Node:    ${process.version}`)
  else output.data(`score-sdk ${version} (Node ${process.version})\n`)
  return 0
}
