interface OptionBase {
  /** One sentence for the help, without a full stop. */
  readonly text: string
  /** Known to `score` alone; `score-client` refuses it as the original would. */
  readonly scoreOnly?: true
  readonly required?: true
  /** Required unless this flag of the command is given. */
  readonly requiredUnless?: string
  /** The configuration key that this option overrides. */
  readonly setting?: string
  /** How the value is called in the help, e.g. `FILE`. */
  readonly placeholder?: string
}

/** What one option takes. Adding an option to a command is adding a row to its table. */
export type OptionSpec = OptionBase &
  (
    | { readonly kind: 'flag' }
    /** Takes `true` or `false` in the original's grammar; `score` also takes `--x` and `--no-x`. */
    | { readonly kind: 'boolean'; readonly default: boolean }
    | { readonly kind: 'text'; readonly default?: string }
    | { readonly kind: 'integer'; readonly default?: number }
    | { readonly kind: 'choice'; readonly choices: readonly string[]; readonly default?: string }
    | { readonly kind: 'object-id' }
    /** Takes all arguments up to the next option; commas separate too; repeating it appends. */
    | { readonly kind: 'object-ids' }
    /** Regions, in the same way; commas within numbers do not separate. */
    | { readonly kind: 'regions' }
    /** An existing regular file. */
    | { readonly kind: 'file' }
    /** A directory, made when it is not there. */
    | { readonly kind: 'new-directory' }
    /** Bytes a second: `500K`, `20M`, `1G`. */
    | { readonly kind: 'rate' }
    /** Bytes: `500K`, `20M`, `1G`. */
    | { readonly kind: 'size' }
    /** A directory. `score` looks at it when the command runs, where it can say more. */
    | { readonly kind: 'directory' }
  )

/** Options by camel-case key; `objectId` is spelled `--object-id`. */
export type OptionTable = Readonly<Record<string, OptionSpec>>

type ValueOf<Spec extends OptionSpec> = Spec extends { readonly kind: 'flag' | 'boolean' }
  ? boolean
  : Spec extends { readonly kind: 'object-ids' | 'regions' }
    ? readonly string[]
    : Spec extends { readonly kind: 'choice'; readonly choices: readonly (infer Choice)[] }
      ? Spec extends { readonly default: string }
        ? Choice
        : Choice | undefined
      : Spec extends { readonly kind: 'integer' | 'rate' | 'size' }
        ? Spec extends { readonly default: number }
          ? number
          : number | undefined
        : Spec extends { readonly required: true } | { readonly default: string }
          ? string
          : string | undefined

/** The values that a command with this table receives. */
export type ValuesOf<Table extends OptionTable> = { readonly [Key in keyof Table]: ValueOf<Table[Key]> }

/** `objectId` → `--object-id`. */
export function optionName(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}

/** `--object-id` → `objectId`. */
export function optionKey(name: string): string {
  return name.slice(2).replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

/** The option's name towards clipanion, which takes no digits in names: `md5` → `--mdf`. Nobody types it. */
export function clipanionName(key: string): string {
  return optionName(key).replace(/\d/g, (digit) => 'abcdefghij'[Number(digit)] as string)
}
