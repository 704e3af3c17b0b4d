import type { Readable, Writable } from 'node:stream'
import { Cli } from 'clipanion'
import { type ParsedArgv, parseArgv } from './argv.ts'
import { commandClass } from './command-class.ts'
import type { CommandSpec } from './command-spec.ts'
import { type CommandName, commandTable } from './command-table.ts'
import type { CommandContext, Environment, ProgramName } from './context.ts'
import { debugTrail, failureReport } from './error-report.ts'
import type { GlobalValues } from './global-options.ts'
import { commandHelp, programHelp } from './help.ts'
import { interruptExitCode } from './interruption.ts'
import { createOutput, type Output } from './output.ts'
import { isRefusal } from './refusal.ts'
import { loadRun } from './run-table.ts'

/** The world of one run. */
export interface CliOutside {
  readonly program: ProgramName
  readonly environment: Environment
  readonly cwd: string
  readonly stdin: Readable
  readonly stdout: Writable & { readonly isTTY?: boolean }
  readonly stderr: Writable & { readonly isTTY?: boolean }
  readonly signal: AbortSignal
  readonly now: () => number
  /** Told when the command has work to finish even if nobody reads stdout any more. */
  readonly outliveReader?: () => void
}

function outputFor(outside: CliOutside, globals: GlobalValues): Output {
  const { environment, program, stdout, stderr } = outside
  const plain = (environment['NO_COLOR'] ?? '') !== '' || environment['TERM'] === 'dumb'
  const ansi = !/^(false|no|off)$/i.test(environment['CLIENT_ANSI'] ?? environment['ANSI'] ?? 'true')
  return createOutput({
    stdout,
    stderr,
    strict: program === 'score-client',
    quiet: globals.quiet ?? false,
    silent: globals.silent ?? false,
    json: globals.json ?? false,
    color: ansi && !plain,
  })
}

/** As the original: `--silent` and `--quiet` hold wherever they stand, also when the rest cannot be read. */
function glanceAt(argv: readonly string[], strict: boolean): GlobalValues {
  return {
    quiet: argv.includes('--quiet'),
    silent: argv.includes('--silent'),
    json: !strict && argv.includes('--json'),
    debug: !strict && argv.includes('--debug'),
  }
}

async function fail(error: unknown, outside: CliOutside, output: Output, debug: boolean): Promise<number> {
  const { problems, redactText } = await import('../../src/index.ts')
  const strict = outside.program === 'score-client'
  const interrupted = interruptExitCode(outside.signal)
  if (interrupted !== undefined) {
    output.event({ type: 'interrupted', exitCode: interrupted })
    output.say('Interrupted. What was moved is kept: the same command goes on from there.')
    return interrupted
  }
  const report = failureReport(error, strict, problems)
  output.event({ type: 'error', code: report.code, message: report.message, exitCode: report.exitCode })
  output.error(report.message)
  if (strict && isRefusal(error) && error.frame === 'missing-command') output.raw(programHelp(outside.program))
  if (debug) output.say(redactText(debugTrail(error)))
  return report.exitCode
}

async function dispatch(parsed: ParsedArgv, argv: readonly string[], outside: CliOutside, output: Output): Promise<number> {
  const { command, globals, args } = parsed
  const strict = outside.program === 'score-client'
  if (globals.help && !globals.version) {
    const text =
      command === undefined || (strict && !args.includes(command)) ? programHelp(outside.program) : commandHelp(outside.program, command)
    if (strict) output.raw(text)
    else output.data(text)
    return 0
  }
  const name = (globals.version ? 'version' : command) as CommandName
  const spec: CommandSpec = commandTable[name]
  if (spec.outlivesReader) outside.outliveReader?.()
  const cli = new Cli<CommandContext>({ binaryName: outside.program, enableCapture: false })
  cli.register(commandClass(name, spec, () => loadRun(name)))
  const context: CommandContext = {
    program: outside.program,
    strict,
    cwd: outside.cwd,
    argv,
    globals,
    output,
    signal: outside.signal,
    now: outside.now,
    env: { ...outside.environment },
    stdin: outside.stdin,
    stdout: outside.stdout,
    stderr: outside.stderr,
    colorDepth: 1,
  }
  const instance = cli.process(globals.version ? ['version'] : [...args], context)
  return await instance.validateAndExecute()
}

/**
 * One run of `score` or `score-client`: reads the command line, runs the command, tells a failure in its frame.
 *
 * @returns the exit code; never rejects.
 */
export async function runCli(argv: readonly string[], outside: CliOutside): Promise<number> {
  const strict = outside.program === 'score-client'
  const glance = glanceAt(argv, strict)
  let output = outputFor(outside, glance)
  if (strict) output.say('Starting...')
  try {
    const parsed = parseArgv(argv, { strict, commands: commandTable, cwd: outside.cwd })
    output = outputFor(outside, parsed.globals)
    return await dispatch(parsed, argv, outside, output)
  } catch (error) {
    return await fail(error, outside, output, glance.debug ?? false)
  }
}
