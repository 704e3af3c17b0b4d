/** What the grammar says when it refuses: the original's words for `score-client`, helpful ones for `score`. */
export interface ArgvTexts {
  unknownOption(name: string, nearest: string | undefined, command: string | undefined): string
  missingValue(name: string): string
  repeated(name: string): string
  notBoolean(name: string, value: string): string
  notInteger(name: string, value: string): string
  notChoice(name: string, value: string, choices: readonly string[]): string
  notObjectId(name: string, value: string): string
  notRate(name: string, value: string): string
  notSize(name: string, value: string): string
  noSuchFile(name: string, path: string): string
  notFile(name: string, path: string): string
  notDirectory(name: string, path: string): string
  notCreatable(name: string, path: string): string
  notWritable(name: string, path: string): string
  unreadableList(path: string, reason: string): string
  stray(value: string, command: string): string
  required(names: readonly string[], command: string): string
  noCommand: string
  unknownCommand(name: string, nearest: string | undefined): string
}

/** Users grep for these; score-client.md 1.1. */
export const originalTexts: ArgvTexts = {
  unknownOption: (name) => `Unknown option: ${name}`,
  missingValue: (name) => `Expected a value after parameter ${name}`,
  repeated: (name) => `Can only specify option ${name} once.`,
  notBoolean: (name, value) => `"${name}": couldn't convert "${value}" to a boolean`,
  notInteger: (name, value) => `"${name}": couldn't convert "${value}" to a long`,
  notChoice: (name, value, choices) => `"${name}": couldn't convert "${value}" to a value in [${choices.join(', ')}]`,
  notObjectId: (name, value) => `Invalid option: ${name}: ${value} is not a valid UUID`,
  notRate: (name, value) => `"${name}": couldn't convert "${value}" to a rate`,
  notSize: (name, value) => `"${name}": couldn't convert "${value}" to a size`,
  noSuchFile: (name, path) => `Invalid option: ${name}: ${path} does not exist`,
  notFile: (name, path) => `Invalid option: ${name}: ${path} is not a file`,
  notDirectory: (name, path) => `Invalid option: ${name}: ${path} is not a directory`,
  notCreatable: (name, path) => `Invalid option: ${name}: ${path} could not be created`,
  notWritable: (name, path) => `Invalid option: ${name}: ${path} could not be written to. Please check permissions.`,
  unreadableList: (path, reason) => `Could not read file ${path}: ${reason}`,
  stray: (value) => `Was passed main parameter '${value}' but no main parameter was defined`,
  required: (names) =>
    `The following ${names.length > 1 ? 'options are' : 'option is'} required: ${names.map((name) => `    ${name} `).join('')}`,
  noCommand: 'Command name is empty. Please specify a command to execute',
  unknownCommand: (name) => `Expected a command, got ${name}`,
}

const see = (command: string | undefined): string => (command === undefined ? "see 'score help'" : `see 'score help ${command}'`)

export const friendlyTexts: ArgvTexts = {
  unknownOption: (name, nearest, command) =>
    `unknown option ${name}${command === undefined ? '' : ` of 'score ${command}'`}: ${nearest === undefined ? see(command) : `did you mean ${nearest}?`}`,
  missingValue: (name) => `${name} needs a value`,
  repeated: (name) => `${name} is given twice; give it once`,
  notBoolean: (name, value) => `${name} takes true or false, not '${value}'`,
  notInteger: (name, value) => `${name} takes a whole number, not '${value}'`,
  notChoice: (name, value, choices) => `${name} takes one of ${choices.join(', ')}, not '${value}'`,
  notObjectId: (name, value) =>
    `${name}: '${value}' is not an object id; object ids are UUIDs such as 5be58fbb-775b-5259-bbbd-555e07fbdf24`,
  notRate: (name, value) => `${name} takes bytes a second such as 500K, 20M or 1G, not '${value}'`,
  notSize: (name, value) => `${name} takes bytes such as 500K, 20M or 1G, not '${value}'`,
  noSuchFile: (name, path) => `${name}: ${path} does not exist; check the name`,
  notFile: (name, path) => `${name}: ${path} is not a file; name a regular file`,
  notDirectory: (name, path) => `${name}: ${path} is not a directory; name a directory`,
  notCreatable: (name, path) => `${name}: ${path} cannot be created; check the permissions of the directory above it`,
  notWritable: (name, path) => `${name}: ${path} cannot be written to; check its permissions`,
  unreadableList: (path, reason) => `cannot read arguments from file ${path}: ${reason}`,
  stray: (value, command) => `unexpected argument '${value}': ${see(command)}`,
  required: (names, command) => `${names.join(' and ')} must be given: ${see(command)}`,
  noCommand: "no command given: see 'score help'",
  unknownCommand: (name, nearest) =>
    `unknown command '${name}': ${nearest === undefined ? "see 'score help'" : `did you mean '${nearest}'?`}`,
}
