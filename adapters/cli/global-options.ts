import type { OptionTable, ValuesOf } from './option-spec.ts'

/** Options of the program itself (score-client.md 1.2). `score` takes them anywhere, `score-client` before the command. */
export const globalOptions = {
  profile: { kind: 'text', placeholder: 'NAME', setting: 'storage.profile', text: 'Configuration profile; any name' },
  quiet: { kind: 'flag', text: 'Reduce output: no progress line' },
  silent: { kind: 'flag', text: 'No words for people; data on stdout and the exit code stay' },
  version: { kind: 'flag', text: 'Show the version' },
  help: { kind: 'flag', text: 'Show help' },
  json: { kind: 'flag', scoreOnly: true, text: 'Machine-readable output on stdout, one JSON value a line' },
  debug: { kind: 'flag', scoreOnly: true, text: 'Show where an error came from' },
  config: { kind: 'text', scoreOnly: true, placeholder: 'FILE', text: 'Configuration file, or a folder with application.properties' },
  data: { kind: 'text', scoreOnly: true, placeholder: 'DIR', text: 'Use the local server of this data folder, with its token' },
  storageUrl: { kind: 'text', scoreOnly: true, placeholder: 'URL', setting: 'storage.url', text: 'Address of the Score server' },
  metadataUrl: { kind: 'text', scoreOnly: true, placeholder: 'URL', setting: 'metadata.url', text: 'Address of the catalogue (Song)' },
  tokenFile: { kind: 'text', scoreOnly: true, placeholder: 'FILE', text: 'File that holds the access token; read again for each request' },
  tokenCommand: {
    kind: 'text',
    scoreOnly: true,
    placeholder: 'COMMAND',
    text: 'Command that prints the access token; run again when it is refused',
  },
  ca: {
    kind: 'text',
    scoreOnly: true,
    placeholder: 'FILE',
    setting: 'client.ca',
    text: 'Certificates of your own authorities (PEM), trusted besides',
  },
  parallel: { kind: 'integer', scoreOnly: true, placeholder: 'N', setting: 'transport.parallel', text: 'Parts moved at once' },
} as const satisfies OptionTable

export type GlobalValues = Partial<ValuesOf<typeof globalOptions>>
