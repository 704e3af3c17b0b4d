import type { Run } from '../command-run.ts'
import { describeSource, loadConfig } from '../config.ts'
import { discover } from '../connection.ts'
import { type SettingKey, type SettingSpec, settingTable } from '../setting-table.ts'

const always: readonly string[] = ['storage.profile', 'storage.url', 'metadata.url', 'accessToken']

export const run: Run<'info'> = async (values, _args, context) => {
  const { maskSecret, redactText } = await import('../../../src/index.ts')
  const { output, strict } = context
  const config = await discover(await loadConfig({ globals: context.globals, environment: context.env, cwd: context.cwd }), context)
  const rows = Object.entries(config.settings).map(([key, { value, source }]) => {
    const spec: SettingSpec = settingTable[key as SettingKey]
    const shown = spec.kind !== 'secret' ? redactText(value) : value === '' ? '' : maskSecret(value)
    return { key, value: shown, source, effect: spec.inert !== true, text: spec.text }
  })
  const chosen = rows.filter(({ key, source }) => values.verbose || always.includes(key) || source.kind !== 'default')
  if (output.json) {
    output.event({
      type: 'info',
      files: config.files,
      settings: chosen.map(({ source, ...row }) => ({ ...row, source: describeSource(source) })),
    })
    return 0
  }
  const width = Math.max(...chosen.map(({ key }) => key.length))
  const lines = chosen.map(({ key, value, source, effect, text }) => {
    const note = effect ? '' : `; no effect: ${text}`
    return `  ${key.padEnd(width)}  ${value === '' ? '(not set)' : value}  [${describeSource(source)}${note}]`
  })
  const files = config.files.length === 0 ? 'none' : config.files.join(', ')
  const text = ['> SCORE Client', '', 'Active Configuration:', ...lines, '', `Configuration files: ${files}`]
  if (strict) for (const line of text) output.say(line)
  else output.data(`${text.join('\n')}\n`)
  return 0
}
