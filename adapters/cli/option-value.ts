import { accessSync, constants, mkdirSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { ArgvTexts } from './argv-texts.ts'
import type { OptionSpec } from './option-spec.ts'
import { refusal } from './refusal.ts'

export interface ValueContext {
  readonly texts: ArgvTexts
  /** The original's checks happen while parsing, and are as lenient as Java's. */
  readonly strict: boolean
  readonly cwd: string
}

const javaUuid = /^[0-9a-f]{1,16}(-[0-9a-f]{1,16}){4}$/i
const canonicalUuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const units: Readonly<Record<string, number>> = { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 }

/** `20M` → 20971520; `undefined` when it is no rate above zero. */
export function parseRate(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([KMG]?)(?:i?B)?(?:\/s)?$/i.exec(text)
  if (!match) return undefined
  const rate = Math.round(Number(match[1]) * (units[(match[2] ?? '').toUpperCase()] ?? 1))
  return rate > 0 ? rate : undefined
}

/** `256M` → 268435456; `undefined` when it is no size above zero. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?$/i.exec(text)
  if (!match) return undefined
  const size = Math.round(Number(match[1]) * (units[(match[2] ?? '').toUpperCase()] ?? 1))
  return size > 0 && Number.isSafeInteger(size) ? size : undefined
}

function isJavaLong(text: string): boolean {
  if (!/^[+-]?\d{1,19}$/.test(text)) return false
  const value = BigInt(text)
  return value >= -(2n ** 63n) && value < 2n ** 63n
}

function requireFile(name: string, value: string, { texts, cwd }: ValueContext): void {
  const path = resolve(cwd, value)
  const stat = statSync(path, { throwIfNoEntry: false })
  if (!stat) throw refusal(texts.noSuchFile(name, path))
  if (!stat.isFile()) throw refusal(texts.notFile(name, path))
}

function requireDirectory(name: string, value: string, { texts, cwd }: ValueContext): void {
  const path = resolve(cwd, value)
  const stat = statSync(path, { throwIfNoEntry: false })
  if (!stat) throw refusal(texts.noSuchFile(name, path))
  if (!stat.isDirectory()) throw refusal(texts.notDirectory(name, path))
}

/** The original makes the directory (one level) while it parses; `score` waits until the command runs. */
function checkDirectory(name: string, value: string, { texts, cwd, strict }: ValueContext): void {
  const path = resolve(cwd, value)
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat && !stat.isDirectory()) throw refusal(texts.notDirectory(name, path))
  if (!stat && !strict) return
  try {
    if (!stat) mkdirSync(path)
  } catch {
    throw refusal(texts.notCreatable(name, path), { code: 'local-storage' })
  }
  try {
    accessSync(path, constants.W_OK)
  } catch {
    throw refusal(texts.notWritable(name, path), { code: 'local-storage' })
  }
}

/** Checks one value of an option as the grammar does, and gives it in its canonical spelling. */
export function checkValue(spec: OptionSpec, name: string, value: string, context: ValueContext): string {
  const { texts, strict } = context
  switch (spec.kind) {
    case 'flag':
    case 'boolean':
      if (!/^(true|false)$/i.test(value)) throw refusal(texts.notBoolean(name, value))
      return value.toLowerCase()
    case 'integer':
      if (!isJavaLong(value) || !Number.isSafeInteger(Number(value))) throw refusal(texts.notInteger(name, value))
      return String(Number(value))
    case 'choice': {
      const folded = value.toLowerCase().replaceAll('_', '-')
      const choice = spec.choices.find((candidate) => candidate.toLowerCase().replaceAll('_', '-') === folded)
      if (choice === undefined) throw refusal(texts.notChoice(name, value, spec.choices))
      return choice
    }
    case 'object-id':
    case 'object-ids':
      if (value.length > 36 || !(strict ? javaUuid : canonicalUuid).test(value)) throw refusal(texts.notObjectId(name, value))
      return value
    case 'file':
      requireFile(name, value, context)
      return value
    case 'new-directory':
      checkDirectory(name, value, context)
      return value
    case 'rate': {
      const rate = parseRate(value)
      if (rate === undefined) throw refusal(texts.notRate(name, value))
      return String(rate)
    }
    case 'size': {
      const size = parseSize(value)
      if (size === undefined) throw refusal(texts.notSize(name, value))
      return String(size)
    }
    case 'directory':
      if (strict) requireDirectory(name, value, context)
      return value
    case 'regions':
    case 'text':
      return value
  }
}
