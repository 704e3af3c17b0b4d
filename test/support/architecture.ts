import { posix } from 'node:path'
import ts from 'typescript'

/** The house as data: which room of the source may import which other rooms and which npm packages. */
export interface Room {
  readonly rooms: readonly string[]
  readonly packages?: readonly string[]
}

export interface HousePlan {
  readonly rooms: Readonly<Record<string, Room>>
  /** Folders under `test/` that mirror no room. */
  readonly testFolders: readonly string[]
  /** Names of the wire, and the files (by start of path) that may know them. */
  readonly wireNames: readonly string[]
  readonly wireEdges: readonly string[]
  /** Files that may ask the system's clock themselves. */
  readonly clockEdges: readonly string[]
}

interface Parsed {
  readonly path: string
  readonly room: string
  readonly source: ts.SourceFile
  readonly imports: readonly string[]
}

type Rule = (file: Parsed, plan: HousePlan) => readonly string[]

/** The room of a file: `core` for `src/core/x.ts`, `index` for `src/index.ts`, `adapters/cli` for what lies under it. */
export function roomOf(path: string): string {
  const [top, second = ''] = path.split('/')
  if (top === 'src') return second.replace(/\.ts$/, '')
  return top === 'adapters' ? `adapters/${second}` : (top ?? '')
}

function visit(node: ts.Node, take: (node: ts.Node) => void): void {
  take(node)
  node.forEachChild((child) => visit(child, take))
}

function nodesOf<T extends ts.Node>(file: Parsed, is: (node: ts.Node) => node is T): readonly T[] {
  const found: T[] = []
  visit(file.source, (node) => {
    if (is(node)) found.push(node)
  })
  return found
}

/** Every module named: import and export declarations, `import()`, `import('x').T`, `new URL('x', import.meta.url)`. */
function importsOf(source: ts.SourceFile): readonly string[] {
  const names: string[] = []
  const add = (node: ts.Node | undefined): void => {
    if (node !== undefined && ts.isStringLiteralLike(node)) names.push(node.text)
  }
  visit(source, (node) => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) add(node.moduleSpecifier)
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal)
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) add(node.arguments[0])
    else if (ts.isNewExpression(node) && node.expression.getText(source) === 'URL') {
      // A built file, which lies elsewhere than its source, is package.test.ts's business.
      const built = node.arguments?.[0]?.getText(source).endsWith(".js'") ?? false
      if (node.arguments?.[1]?.getText(source) === 'import.meta.url' && !built) add(node.arguments[0])
    }
  })
  return names
}

function parse(path: string, text: string): Parsed {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true)
  return { path, room: roomOf(path), source, imports: importsOf(source) }
}

function targetOf(file: Parsed, specifier: string): string | undefined {
  return specifier.startsWith('.') ? posix.join(posix.dirname(file.path), specifier) : undefined
}

function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
}

const knownRoom: Rule = (file, plan) => (plan.rooms[file.room] === undefined ? [`the room "${file.room}" is not in the plan`] : [])

const layers: Rule = (file, plan) => {
  const allowed = plan.rooms[file.room]
  if (allowed === undefined) return []
  return file.imports.flatMap((specifier) => {
    const target = targetOf(file, specifier)
    if (target !== undefined) {
      if (!target.endsWith('.ts')) return [`"${specifier}" does not end in .ts`]
      const room = roomOf(target)
      return room === file.room || allowed.rooms.includes(room) ? [] : [`${file.room} may not import ${target}`]
    }
    if (specifier.startsWith('node:')) return []
    const name = packageOf(specifier)
    return allowed.packages?.includes(name) ? [] : [`${file.room} may not import the package ${name}`]
  })
}

const noAny: Rule = (file) =>
  nodesOf(file, (node): node is ts.KeywordTypeNode => node.kind === ts.SyntaxKind.AnyKeyword).length > 0 ? ['uses any'] : []

const noOutput: Rule = (file) => {
  if (!file.path.startsWith('src/')) return []
  return nodesOf(file, ts.isPropertyAccessExpression).flatMap((node) => {
    const text = node.getText(file.source)
    return text.startsWith('console.') || text === 'process.stdout' || text === 'process.stderr' ? [`writes to ${text}`] : []
  })
}

const noHiddenClock: Rule = (file, plan) => {
  if (!file.path.startsWith('src/') || plan.clockEdges.some((start) => file.path.startsWith(start))) return []
  return nodesOf(file, ts.isCallExpression).flatMap((node) => {
    const text = node.expression.getText(file.source)
    return text === 'Date.now' || text === 'Math.random' ? [`calls ${text}() instead of taking it as an option`] : []
  })
}

const noRemarks: Rule = (file) => {
  const forbidden = /@ts-ignore|@ts-nocheck|biome-ignore|\bTODO\b|\bFIXME\b|\bXXX\b/
  const found = forbidden.exec(file.source.text)
  return found === null ? [] : [`contains ${found[0]}`]
}

const plainData: Rule = (file) => {
  const classes = nodesOf(file, ts.isClassDeclaration).flatMap((node) => {
    const name = node.name?.text ?? 'unnamed'
    const command = file.room === 'adapters/cli' && (node.heritageClauses?.length ?? 0) > 0
    return name === 'ScoreError' || command ? [] : [`declares the class ${name}`]
  })
  return nodesOf(file, ts.isEnumDeclaration).length > 0 ? [...classes, 'declares an enum'] : classes
}

const wireNames: Rule = (file, plan) => {
  if (plan.wireEdges.some((start) => file.path.startsWith(start))) return []
  const seen = new Set<string>()
  for (const node of nodesOf(
    file,
    (candidate): candidate is ts.Identifier | ts.StringLiteral => ts.isIdentifier(candidate) || ts.isStringLiteral(candidate),
  )) {
    if (plan.wireNames.includes(node.text)) seen.add(node.text)
  }
  return [...seen].map((name) => `knows the wire's name ${name}`)
}

const entry: Rule = (file) => {
  if (file.path !== 'src/index.ts') return []
  return file.source.statements.flatMap((statement) => {
    if (!ts.isExportDeclaration(statement)) return ['holds more than exports']
    return statement.exportClause !== undefined && ts.isNamedExports(statement.exportClause) ? [] : ['exports * instead of names']
  })
}

const fileName: Rule = (file) => (/(^|\/)[a-z0-9]+(-[a-z0-9]+)*(\.[a-z-]+)*\.ts$/.test(file.path) ? [] : ['is not named in kebab-case'])

const rules: readonly Rule[] = [knownRoom, layers, noAny, noOutput, noHiddenClock, noRemarks, plainData, wireNames, entry, fileName]

/** One line for each cycle, type imports included, found by walking depth first. */
function cyclesOf(files: readonly Parsed[]): readonly string[] {
  const edges = new Map(files.map((file) => [file.path, file.imports.flatMap((specifier) => targetOf(file, specifier) ?? [])]))
  const state = new Map<string, 'open' | 'done'>()
  const cycles: string[] = []
  const walk = (path: string, trail: readonly string[]): void => {
    if (state.get(path) === 'done' || !edges.has(path)) return
    if (state.get(path) === 'open') {
      cycles.push(`cycle: ${[...trail.slice(trail.indexOf(path)), path].join(' -> ')}`)
      return
    }
    state.set(path, 'open')
    for (const target of edges.get(path) ?? []) walk(target, [...trail, path])
    state.set(path, 'done')
  }
  for (const { path } of files) walk(path, [])
  return cycles
}

/** Checks source files, given as path → text, against the plan: one line for each violation, empty when the house is in order. */
export function checkHouse(files: ReadonlyMap<string, string>, plan: HousePlan): readonly string[] {
  const parsed = [...files].map(([path, text]) => parse(path, text))
  const broken = parsed.flatMap((file) => rules.flatMap((rule) => rule(file, plan).map((what) => `${file.path}: ${what}`)))
  return [...broken, ...cyclesOf(parsed)]
}

/** Checks where test files lie and what they run on: rooms are mirrored, and no file bypasses the guarded `suite`. */
export function checkTests(files: ReadonlyMap<string, string>, plan: HousePlan): readonly string[] {
  return [...files].flatMap(([path, text]) => {
    const folder = path.split('/').slice(1, -1).join('/')
    const known = folder === '' || plan.testFolders.some((name) => folder === name || folder.startsWith(`${name}/`))
    const mirrors = Object.keys(plan.rooms).some((room) => folder === room || folder.startsWith(`${room}/`))
    const problems = known || mirrors ? [] : [`${path}: mirrors no room`]
    const imports = importsOf(ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true))
    if (imports.includes('uvu') && path !== 'test/support/suite.ts')
      problems.push(`${path}: uses uvu without the guard of test/support/suite.ts`)
    return problems
  })
}
