import { refusal } from './refusal.ts'

/** What of `--options` has an effect here. */
export interface FuseOptions {
  readonly allowOther: boolean
  readonly attributeSeconds?: number
  readonly negativeSeconds?: number
}

/** What mounts are anyway, or what drivers decide by themselves: said by scripts that were made for the original. */
const without = new Set([
  'ro',
  'nosuid',
  'nodev',
  'noexec',
  'default_permissions',
  'auto_cache',
  'kernel_cache',
  'sync_read',
  'async_read',
  'big_writes',
  'use_ino',
  'max_read',
  'max_readahead',
  'max_background',
  'congestion_threshold',
  'fsname',
  'subtype',
])

const seconds = new Set(['attr_timeout', 'entry_timeout', 'negative_timeout'])

function wholeSeconds(name: string, value: string): number {
  if (/^\d{1,5}(\.0+)?$/.test(value) && Number(value) <= 86_400) return Number(value)
  throw refusal(`--options: ${name} takes a whole number of seconds up to a day, not '${value}'`)
}

/**
 * Reads `k=v,k,…`. Nothing of it is handed to the kernel as it stands.
 *
 * @returns also the names that have no effect.
 * @throws a refusal for a name that is unknown.
 */
export function parseFuseOptions(text: string | undefined): { readonly options: FuseOptions; readonly ignored: readonly string[] } {
  let options: FuseOptions = { allowOther: false }
  const ignored: string[] = []
  for (const item of (text ?? '').split(',').filter((part) => part.trim() !== '')) {
    const [name = '', ...rest] = item.trim().split('=')
    const value = rest.join('=')
    if (name === 'allow_other') options = { ...options, allowOther: true }
    else if (seconds.has(name)) {
      const amount = wholeSeconds(name, value)
      options = { ...options, ...(name === 'negative_timeout' ? { negativeSeconds: amount } : { attributeSeconds: amount }) }
    } else if (without.has(name)) ignored.push(name)
    else throw refusal(`--options: '${name}' is unknown; there are allow_other, attr_timeout=SECONDS and negative_timeout=SECONDS`)
  }
  return { options, ignored }
}
