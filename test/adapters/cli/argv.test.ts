import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { type ParsedArgv, parseArgv } from '../../../adapters/cli/argv.ts'
import { commandTable } from '../../../adapters/cli/command-table.ts'
import { isRefusal } from '../../../adapters/cli/refusal.ts'
import { suite } from '../../support/suite.ts'

const id = 'd0522915-f5b6-584e-8409-c12fa928d089'
const other = '576f7386-e626-5d99-ae63-1b3ce9de308b'
const cwd = mkdtempSync(join(tmpdir(), 'score-argv-'))
writeFileSync(join(cwd, 'a.bam'), 'x')
writeFileSync(join(cwd, 'locked'), 'x')
writeFileSync(join(cwd, 'list'), `download\r\n\r\n--object-id\r\n${id}\r\n--output-dir\r\nfrom-list\r\n`)
mkdirSync(join(cwd, 'there'))

const parse = (strict: boolean, argv: readonly string[]): ParsedArgv => parseArgv(argv, { strict, commands: commandTable, cwd })

function refused(strict: boolean, argv: readonly string[]): string {
  try {
    parse(strict, argv)
  } catch (error) {
    if (!isRefusal(error)) throw error
    return error.frame === 'missing-command' ? `Missing command: ${error.message}` : error.message
  }
  throw new Error(`not refused: ${argv.join(' ')}`)
}

const download = (...rest: readonly string[]): readonly string[] => ['download', '--output-dir', 'there', ...rest]

/** The original's refusals, word for word (score-client.md 1.1, 1.3, 10.1). */
const strictRefusals: readonly (readonly [argv: readonly string[], message: string])[] = [
  [[], 'Missing command: Command name is empty. Please specify a command to execute'],
  [['foo'], 'Missing command: Expected a command, got foo'],
  [['--nope', 'upload'], 'Unknown option: --nope'],
  [['upload', '--silent'], 'Unknown option: --silent'],
  [['upload', '--quiet'], 'Unknown option: --quiet'],
  [['upload', '--study', 'S'], 'Unknown option: --study'],
  [['--json', 'upload'], 'Unknown option: --json'],
  [['upload', '--forc'], 'Unknown option: --forc'],
  [['upload', '--Force'], 'Unknown option: --Force'],
  [['upload', '-f'], 'Unknown option: -f'],
  [['upload', 'a.bam'], "Was passed main parameter 'a.bam' but no main parameter was defined"],
  [['upload', '--force', 'true'], "Was passed main parameter 'true' but no main parameter was defined"],
  [['upload', '--force', '--force'], 'Can only specify option --force once.'],
  [['upload', '--md5', 'a', '--md5', 'b'], 'Can only specify option --md5 once.'],
  [['upload', '--file'], 'Expected a value after parameter --file'],
  [['upload', '--verify-connection'], 'Expected a value after parameter --verify-connection'],
  [['upload', '--verify-connection', 'x'], '"--verify-connection": couldn\'t convert "x" to a boolean'],
  [download('--index', 'x'), '"--index": couldn\'t convert "x" to a boolean'],
  [download('--offset', 'x'), '"--offset": couldn\'t convert "x" to a long'],
  [download('--length', '9223372036854775808'), '"--length": couldn\'t convert "9223372036854775808" to a long'],
  [download('--output-layout', 'xxx'), '"--output-layout": couldn\'t convert "xxx" to a value in [bundle, filename, id]'],
  [download('--object-id', 'xxx'), 'Invalid option: --object-id: xxx is not a valid UUID'],
  [download('--object-id', ''), 'Invalid option: --object-id:  is not a valid UUID'],
  [['upload', '--object-id', `${id}0`], `Invalid option: --object-id: ${id}0 is not a valid UUID`],
  [['upload', '--file', 'gone.bam'], `Invalid option: --file: ${cwd}/gone.bam does not exist`],
  [['upload', '--file', 'there'], `Invalid option: --file: ${cwd}/there is not a file`],
  // The next option is taken for the value, as JCommander does.
  [['upload', '--file', '--md5'], `Invalid option: --file: ${cwd}/--md5 does not exist`],
  [['download', '--output-dir', 'locked'], `Invalid option: --output-dir: ${cwd}/locked is not a directory`],
  [['download', '--output-dir', 'no/such/dir'], `Invalid option: --output-dir: ${cwd}/no/such/dir could not be created`],
  [['download', '--object-id', id], 'The following option is required:     --output-dir '],
  [['url'], 'The following option is required:     --object-id '],
  [['manifest'], 'The following option is required:     --manifest '],
  [['@gone'], `Could not read file gone: ENOENT: no such file or directory, open '${cwd}/gone'`],
  // Checks run in the order of the arguments: the id is told, not the unknown option.
  [['download', '--object-id', 'xxx', '--out-dir', 'there'], 'Invalid option: --object-id: xxx is not a valid UUID'],
]

const friendlyRefusals: readonly (readonly [argv: readonly string[], message: RegExp])[] = [
  [[], /no command given: see 'score help'/],
  [['downlod'], /unknown command 'downlod': did you mean 'download'\?/],
  [['download', '--out-dir', 'x'], /unknown option --out-dir of 'score download': did you mean --output-dir\?/],
  [['upload', '--file', '--md5', 'x'], /--file needs a value/],
  [['download', '--object-id', '--index'], /--object-id needs a value/],
  [['download', '--object-id', '1-1-1-1-1'], /'1-1-1-1-1' is not an object id/],
  [download('--max-rate', 'fast'), /--max-rate takes bytes a second such as/],
  [download('--files', 'x'), /--files takes a whole number, not 'x'/],
  [['download', '--object-id', id], /--output-dir must be given/],
  [['publish'], /'publish' needs 1 ANALYSIS/],
  [['publish', 'a', 'b'], /'publish' takes at most 1 ANALYSIS, not 2/],
  [['register', '--study', 'S'], /'register' needs at least 1 FILE/],
  [['url', 'x', '--object-id', id], /unexpected argument 'x'/],
]

/** What reaches clipanion. `both` = in either grammar. */
const accepted: readonly (readonly [mode: 'strict' | 'score' | 'both', argv: readonly string[], args: readonly string[]])[] = [
  ['both', ['upload', '--file', 'a.bam', '--md5=x=y'], ['upload', '--file=a.bam', '--mdf=x=y']],
  ['both', ['upload', '--file="a.bam"'], ['upload', '--file=a.bam']],
  ['both', ['upload', '--file', '"a.bam"'], ['upload', '--file=a.bam']],
  ['both', ['upload', '--verify-connection', 'FALSE'], ['upload', '--no-verify-connection']],
  ['both', ['upload', '--verify-connection=true', '--force'], ['upload', '--verify-connection', '--force']],
  ['both', download('--output-layout', 'BUNDLE'), ['download', '--output-dir=there', '--output-layout=bundle']],
  ['both', download('--length', '-1', '--offset', '007'), ['download', '--output-dir=there', '--length=-1', '--offset=7']],
  [
    'both',
    download('--object-id', id, other, '--index', 'false', '--object-id', `${id},${other}`),
    [
      'download',
      '--output-dir=there',
      `--object-id=${id}`,
      `--object-id=${other}`,
      `--object-id=${id}`,
      `--object-id=${other}`,
      '--no-index',
    ],
  ],
  ['both', ['@list'], ['download', `--object-id=${id}`, '--output-dir=from-list']],
  ['both', ['help', 'download'], ['help', '--', 'download']],
  ['strict', ['upload', '--object-id', '1-1-1-1-1'], ['upload', '--object-id=1-1-1-1-1']],
  ['strict', ['--profile', 'collab', '--quiet', 'info', '--verbose'], ['info', '--verbose']],
  ['strict', ['upload', '', '--file', '--', 'a.bam'], ['upload', '--file=a.bam']],
  ['score', ['upload', '--study', 'S', 'a.bam', '--force', 'b.bam'], ['upload', '--study=S', '--force', '--', 'a.bam', 'b.bam']],
  ['score', ['upload', '--study=S', '--', '--odd'], ['upload', '--study=S', '--', '--odd']],
  ['score', ['upload', '--study=S', '--no-publish', 'a'], ['upload', '--study=S', '--no-publish', '--', 'a']],
  [
    'score',
    download('--no-index', '--validate', '--force=true'),
    ['download', '--output-dir=there', '--no-index', '--validate', '--force'],
  ],
  ['score', download('--quiet', '--max-rate', '20M'), ['download', '--output-dir=there', '--max-rate=20971520']],
]

suite('argv', (test) => {
  test.after(() => rmSync(cwd, { recursive: true }))

  for (const [argv, message] of strictRefusals)
    test(`score-client ${argv.join(' ')}: refused`, () => assert.is(refused(true, argv), message))

  for (const [argv, message] of friendlyRefusals)
    test(`score ${argv.join(' ')}: refused`, () => assert.match(refused(false, argv), message))

  for (const [mode, argv, args] of accepted) {
    for (const strict of mode === 'both' ? [true, false] : [mode === 'strict'])
      test(`${strict ? 'score-client' : 'score'} ${argv.join(' ')}: read`, () => assert.equal(parse(strict, argv).args, args))
  }

  test('the output directory is made while parsing in strict mode, and only then', () => {
    parse(false, ['download', '--output-dir', 'made-later', '--object-id', id])
    assert.not(existsSync(join(cwd, 'made-later')))
    parse(true, ['download', '--output-dir', 'made', '--object-id', id])
    assert.ok(existsSync(join(cwd, 'made')))
  })

  test('global options stand anywhere for score, before the command for score-client', () => {
    const globals = { profile: 'x', quiet: true }
    assert.equal(parse(false, ['--quiet', 'version', '--profile=x']).globals, globals)
    assert.equal(parse(true, ['--quiet', '--profile=x', 'version']).globals, globals)
  })

  test('--help wins over what is missing, before and after the command', () => {
    for (const strict of [true, false]) {
      assert.equal(parse(strict, ['--help']), { globals: { help: true }, args: [] })
      assert.is(parse(strict, ['download', '--help']).globals.help, true)
      assert.is(parse(strict, ['--version']).globals.version, true)
    }
    assert.is(parse(false, ['download', '-h']).globals.help, true)
  })
})
