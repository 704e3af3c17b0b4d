import { ScoreError } from '../core/errors.ts'

/** The scope that gives a right to one study is `<prefix><study><suffix>`. */
export interface StudyScopeName {
  readonly prefix: string
  readonly suffix: string
}

/** One right: the scope that gives it everywhere, and how a study's own scope is named. */
export interface ScopeRule {
  readonly system: string
  readonly study: StudyScopeName
}

/** Names of the scopes. `upload` and `download` are compared ignoring case, as Score does; `catalogue` exactly, as Song does. */
export interface ScopePolicy {
  readonly upload: ScopeRule
  readonly download: ScopeRule
  /** Writes to the catalogue: Song's own rights. */
  readonly catalogue: ScopeRule
}

/** The original's defaults (score-server.md 6.4, 6.5; song.md 4). */
export const defaultScopePolicy: ScopePolicy = {
  upload: { system: 'score.WRITE', study: { prefix: 'PROGRAMDATA-', suffix: '.WRITE' } },
  download: { system: 'score.READ', study: { prefix: 'PROGRAMDATA-', suffix: '.READ' } },
  catalogue: { system: 'song.WRITE', study: { prefix: 'PROGRAMDATA-', suffix: '.WRITE' } },
}

export type Right = keyof ScopePolicy

function holds(scopes: ReadonlySet<string>, wanted: string, right: Right): boolean {
  if (scopes.has(wanted)) return true
  if (right === 'catalogue') return false
  const lower = wanted.toLowerCase()
  for (const scope of scopes) if (scope.toLowerCase() === lower) return true
  return false
}

/** Whether the scopes give the right everywhere. */
export function hasSystemScope(policy: ScopePolicy, right: Right, scopes: ReadonlySet<string>): boolean {
  return holds(scopes, policy[right].system, right)
}

/** Whether the scopes give the right to one study by that study's own scope. */
export function hasStudyScope(policy: ScopePolicy, right: Right, scopes: ReadonlySet<string>, study: string): boolean {
  const { prefix, suffix } = policy[right].study
  return holds(scopes, `${prefix}${study}${suffix}`, right)
}

type RecordOfAccess = { readonly objectId: string; readonly access: string }

/**
 * What a record's access comes to: nothing, an empty text and the word `null` count as controlled.
 *
 * @returns `undefined` for another word than `open` or `controlled`, which gives nobody but the system anything.
 */
export function accessOf({ access }: RecordOfAccess): 'open' | 'controlled' | undefined {
  const word = access.toLowerCase()
  if (word === 'open' || word === 'controlled') return word
  return word === '' || access === 'null' ? 'controlled' : undefined
}

/**
 * Whether everyone may read the object, without any token.
 *
 * @throws `invalid-request` when the catalogue says another word than `open` or `controlled`.
 */
export function isOpenAccess(entity: RecordOfAccess): boolean {
  const access = accessOf(entity)
  if (access !== undefined) return access === 'open'
  throw new ScoreError(
    'invalid-request',
    `the catalogue gives object ${entity.objectId} the access '${entity.access}', which is neither 'open' nor 'controlled'; mend its record`,
  )
}
