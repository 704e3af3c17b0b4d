import type { CommandSpec } from './command-spec.ts'
import { readsCommandTable } from './reads-command-table.ts'

const verifyConnection = {
  kind: 'boolean',
  default: true,
  text: 'Check first that the object store can be reached',
} as const

const several = {
  files: { kind: 'integer', default: 4, scoreOnly: true, placeholder: 'N', text: 'Files moved at once' },
  maxRate: { kind: 'rate', scoreOnly: true, placeholder: 'RATE', text: 'Bytes a second at most, such as 20M; shared by all files' },
  wait: { kind: 'flag', scoreOnly: true, text: 'Wait for another process that moves the same object, instead of stopping' },
} as const

const manifest = { kind: 'text', placeholder: 'ID|URL|FILE', text: 'Manifest: an id at the portal, a URL, or a file' } as const

const study = { kind: 'text', placeholder: 'STUDY', text: 'Study that owns the analysis' } as const

const registration = {
  access: { kind: 'choice', choices: ['open', 'controlled'], default: 'controlled', scoreOnly: true, text: 'Who may read the files' },
  analysisType: { kind: 'text', scoreOnly: true, placeholder: 'TYPE', text: 'Type of the analysis, as the catalogue names it' },
  allowDuplicates: { kind: 'flag', scoreOnly: true, text: 'Register files whose content is registered already, under new ids' },
  payload: {
    kind: 'file',
    scoreOnly: true,
    placeholder: 'FILE.json',
    text: "A payload of the site's own schema; names, sizes and MD5s are filled in",
  },
} as const

const stateChange = {
  study: { ...study, text: "Study of the analysis; found in the catalogue when it isn't given" },
} as const

/** What the exit codes of `score` mean; the table behind it is the library's `problems`. */
export const exitCodes = `Exit codes: 0 done, 2 refused for what was asked, 3 not allowed, 4 not found, 5 state of the object or analysis, 6 checksum, 7 server or network, 8 some of several files failed, 9 local disk, 130 and 143 interrupted (running it again goes on where it stopped).`

const transferJson = `With --json, stdout holds one JSON object a line: {"type":"started"|"part"|"retry"|"renewed-urls"|"verifying"|"finished", "objectId", ...} while it runs, {"type":"progress","bytes","totalBytes"} at most once a second, {"type":"failed","objectId","code","message"} for a file that failed, and at last {"type":"summary","files":[{"objectId","path","bytes","md5","partsMoved","partsKept"}],"failed","bytes","seconds"}.`

/** Every command; `src/` is only loaded once one of them runs. */
export const commandTable = {
  upload: {
    summary: 'Upload file object(s) to the remote storage repository',
    details: `With --study and files, does everything at once: registers the files in the catalogue, uploads them and publishes the analysis. Running it again continues what was not finished. On stdout: one line an object, its id, a tab, and its path.

With --manifest or --object-id, uploads what was registered before.

${exitCodes}

${transferJson}`,
    examples: [
      { says: 'Register, upload and publish in one go', line: 'score upload --study DEMO sample.bam sample.bam.bai' },
      { says: 'Upload what a manifest lists', line: 'score upload --manifest manifest.txt' },
      {
        says: 'Upload one registered file',
        line: 'score upload --file sample.bam --object-id 5be58fbb-775b-5259-bbbd-555e07fbdf24 --md5 d41d8cd98f00b204e9800998ecf8427e',
      },
    ],
    options: {
      file: { kind: 'file', placeholder: 'FILE', text: 'Path of the file to upload' },
      manifest,
      objectId: { kind: 'object-id', placeholder: 'ID', text: 'Object id that the file was given in the catalogue' },
      md5: { kind: 'text', placeholder: 'MD5', text: 'MD5 of the file; for --object-id' },
      force: { kind: 'flag', text: 'Replace an object that exists, and start over instead of resuming' },
      study: { ...study, scoreOnly: true },
      ...registration,
      publish: { kind: 'boolean', default: true, scoreOnly: true, text: 'With --study: publish the analysis when all files are there' },
      ...several,
      verifyConnection,
    },
    positionals: { name: 'FILE', least: 0, most: Number.POSITIVE_INFINITY, scoreOnly: true },
    original: true,
    outlivesReader: true,
  },
  download: {
    summary: 'Retrieve file object(s) from the remote storage repository',
    details: `Files that are there already are skipped. A download that was interrupted goes on where it stopped. An index (bai, crai, tbi, idx; csi too) that the catalogue has for a file is fetched with it.

${exitCodes}

${transferJson}`,
    examples: [
      { says: 'One object and its index', line: 'score download --object-id 5be58fbb-775b-5259-bbbd-555e07fbdf24 --output-dir data' },
      {
        says: 'All files of an analysis, in a folder of its own',
        line: 'score download --study-id DEMO --analysis-id AN1 --output-layout bundle --output-dir data',
      },
      { says: 'What a manifest lists, four files at once', line: 'score download --manifest manifest.tsv --output-dir data --files 4' },
    ],
    options: {
      manifest,
      objectId: { kind: 'object-ids', placeholder: 'ID...', text: 'Object ids, separated by blanks or commas' },
      analysisId: { kind: 'text', placeholder: 'ANALYSIS', text: 'All files of this analysis; needs --study-id' },
      programId: { kind: 'text', placeholder: 'STUDY', text: 'The same as --study-id' },
      studyId: { kind: 'text', placeholder: 'STUDY', text: 'Study of the analysis' },
      outputDir: { kind: 'new-directory', required: true, placeholder: 'DIR', text: 'Where the files go' },
      outputLayout: {
        kind: 'choice',
        choices: ['bundle', 'filename', 'id'],
        default: 'filename',
        text: 'Names: folder of the analysis and file name, file name, or object id',
      },
      offset: { kind: 'integer', default: 0, placeholder: 'BYTE', text: 'First byte of a range' },
      length: { kind: 'integer', default: -1, placeholder: 'BYTES', text: 'Bytes of a range; -1 is to the end' },
      index: { kind: 'boolean', default: true, text: 'Fetch the index of a file too, where the catalogue has one' },
      force: { kind: 'flag', text: 'Replace files that exist, and start over instead of resuming' },
      validate: { kind: 'boolean', default: true, text: 'Check the MD5 of the whole file' },
      ...several,
      verifyConnection,
    },
    original: true,
    outlivesReader: true,
  },
  mount: {
    summary: 'Mount a read-only FUSE file system view of the remote storage repository',
    details: `Shows objects as files, read when programs read them. Everything that may be read is shown, or what --manifest, --study-id or --analysis-id name. It ends with SIGINT or SIGTERM, with 'score unmount', or when somebody unmounts the folder.

SIGUSR2 tells statistics, in the log and to --status. SIGHUP refreshes the tree of a mount with --daemonize. What a mount promises, the errors that programs see, and how to tune it: docs/mount-semantics.md.

With --json, the line that says it is ready is {"type":"ready","mountPoint","pid","driver","objects","bytes","leftOut"}; --status prints {"type":"mount","mountPoint","state","pid","url",...} for each mount.

Exit codes: 0 unmounted (with --daemonize: ready), 2 refused for what was asked or because this machine cannot mount, 3 not allowed, 4 not found, 7 server or network.`,
    examples: [
      { says: 'Everything of a study', line: 'score mount --mount-point /mnt/demo --study-id DEMO' },
      {
        says: 'In the background, for a script; then read, then end',
        line: 'score mount --mount-point mnt --manifest manifest.tsv --daemonize',
      },
      { says: 'A region, by object id', line: 'samtools view /mnt/demo/.by-id/5be58fbb-775b-5259-bbbd-555e07fbdf24 chr1:100-200' },
      { says: 'What is mounted', line: 'score mount --status' },
    ],
    options: {
      mountPoint: { kind: 'directory', requiredUnless: 'status', placeholder: 'DIR', text: 'Empty folder to mount on' },
      layout: {
        kind: 'choice',
        choices: ['bundle', 'object-id'],
        default: 'bundle',
        text: 'Names: folder of the analysis and file name, or object id',
      },
      manifest,
      studyId: { kind: 'text', scoreOnly: true, placeholder: 'STUDY', text: 'Only this study' },
      analysisId: { kind: 'text', scoreOnly: true, placeholder: 'ANALYSIS', text: 'Only this analysis' },
      options: { kind: 'text', placeholder: 'K=V,...', text: 'Options of FUSE: allow_other, attr_timeout=S, negative_timeout=S' },
      cacheMetadata: { kind: 'flag', text: 'Keep the listing for the next mount, and take it from there when it is kept' },
      daemonize: { kind: 'flag', text: 'Return once it is ready, or has failed' },
      cacheMemory: { kind: 'size', scoreOnly: true, placeholder: 'SIZE', text: 'Memory for what is read, of all files together; 256M' },
      cacheDir: { kind: 'text', scoreOnly: true, placeholder: 'DIR', text: 'Keep what is read on disk too, in this folder' },
      cacheDirSize: { kind: 'size', scoreOnly: true, placeholder: 'SIZE', text: 'Most that --cache-dir may take; 10G' },
      connections: { kind: 'integer', default: 32, scoreOnly: true, placeholder: 'N', text: 'Requests to the store at once' },
      refresh: { kind: 'integer', default: 0, scoreOnly: true, placeholder: 'SECONDS', text: 'Look for new objects so often; 0 is never' },
      driver: {
        kind: 'choice',
        choices: ['auto', 'fuse-native', 'kernel'],
        default: 'auto',
        scoreOnly: true,
        text: 'How the kernel is spoken to',
      },
      withParent: { kind: 'flag', scoreOnly: true, text: 'End when the process that started it ends' },
      log: { kind: 'text', scoreOnly: true, placeholder: 'FILE', text: 'Append what happens as lines of JSON' },
      status: { kind: 'flag', scoreOnly: true, text: "Show this user's mounts, and end" },
      verifyConnection,
    },
    original: true,
    outlivesReader: true,
  },
  unmount: {
    summary: 'End a mount, also one whose process was killed',
    examples: [{ says: 'One folder', line: 'score unmount /mnt/demo' }],
    options: {},
    positionals: { name: 'DIR', least: 1, most: 1 },
    original: false,
  },
  ...readsCommandTable,
  url: {
    summary: 'Resolve the URL of a specified remote file object',
    examples: [
      { says: 'Give it to another tool', line: 'curl -o sample.bam "$(score url --object-id 5be58fbb-775b-5259-bbbd-555e07fbdf24)"' },
    ],
    options: { objectId: { kind: 'object-id', required: true, placeholder: 'ID', text: 'Object id' } },
    original: true,
  },
  manifest: {
    summary: 'Resolve a file object manifest and display it',
    examples: [{ says: 'Show what a portal exported', line: 'score manifest --manifest https://portal.example.org/manifest.tsv' }],
    options: { manifest: { ...manifest, required: true } },
    original: true,
  },
  info: {
    summary: 'Display application configuration information',
    details: 'Shows each setting with where it comes from; the access token is masked. With --json, one object.',
    examples: [{ says: 'All settings', line: 'score info --verbose' }],
    options: { verbose: { kind: 'flag', text: 'Also the settings that have their default' } },
    original: true,
  },
  version: {
    summary: 'Display application version information',
    examples: [{ says: 'For a bug report', line: 'score version' }],
    options: {},
    original: true,
  },
  help: {
    summary: 'Display help information for a specified command name',
    examples: [{ says: 'How to download', line: 'score help download' }],
    options: {},
    positionals: { name: 'COMMAND', least: 0, most: Number.POSITIVE_INFINITY },
    original: true,
  },
  serve: {
    summary: 'Run a complete Score server',
    details: `With --data DIR alone: one process on plain files; storage, catalogue and signed URLs. Nothing else is needed. The access token stands in DIR/token; clients of the same user on this machine find it by themselves.

Otherwise it starts from its environment and files, with the names of an original deployment: SPRING_PROFILES_ACTIVE, S3_ENDPOINT, METADATA_URL and so on (docs/configuration.md). Settings that are unknown, contradictory or without effect are named at the start. --show-config prints them all with where each comes from, --check tries store, Song, keys and clocks and says what to do about each finding; exit code 2 when something is wrong.

With --json, the line that says it is ready is {"type":"ready","url","dataDir","tokenFile","pid"}; --check prints {"type":"check","name","outcome":"good"|"fixed"|"bad","message"} for each check.

SIGINT and SIGTERM end it after the requests that run; a second one ends it at once.`,
    examples: [
      { says: 'Here, for this machine', line: 'score serve --data ./score-data' },
      { says: 'On a free port, for a script', line: 'score serve --data ./score-data --port 0 --json' },
      { says: 'Behind a proxy', line: 'score serve --data /srv/score --host 0.0.0.0 --public-url https://score.example.org/api' },
      { says: 'From the environment of an original deployment', line: 'score serve' },
      { says: 'Try everything that it depends on', line: 'score serve --check --fix' },
    ],
    options: {
      data: { kind: 'text', placeholder: 'DIR', text: 'Folder that holds everything; made when it is not there' },
      port: { kind: 'integer', placeholder: 'PORT', text: 'Port to listen on, 5431 where nothing says otherwise; 0 takes a free one' },
      host: { kind: 'text', placeholder: 'ADDRESS', text: 'Address to listen on; 127.0.0.1 with --data alone' },
      publicUrl: { kind: 'text', placeholder: 'URL', text: 'Address under which clients reach this server' },
      auth: {
        kind: 'choice',
        choices: ['token', 'none', 'secure'],
        text: 'Who may write: bearers of the token of the folder, (loopback only) anyone, or as the settings say',
      },
      catalogueReads: { kind: 'choice', choices: ['open', 'token'], text: 'Whether reading the catalogue needs a token; open by default' },
      trustProxy: { kind: 'flag', text: "Believe a proxy's X-Forwarded-For about who is asking" },
      log: {
        kind: 'text',
        placeholder: 'FILE',
        text: 'Append a JSON line for every request and every decision about access; - is stderr',
      },
      metricsPort: { kind: 'integer', placeholder: 'PORT', text: 'Serve Prometheus metrics at /metrics of this port; 0 takes a free one' },
      metricsHost: { kind: 'text', default: '127.0.0.1', placeholder: 'ADDRESS', text: 'Address to serve metrics on' },
      logRequests: { kind: 'flag', text: 'A line on stderr for every request, not only for those that failed here' },
      showConfig: { kind: 'flag', text: 'Print the settings and where each comes from, and end' },
      check: { kind: 'flag', text: 'Try everything that the settings name, and end' },
      fix: { kind: 'flag', text: 'With --check: put the sentinel object where it is missing' },
    },
    original: false,
    outlivesReader: true,
  },
  login: {
    summary: 'Log in at an OIDC server, for one Score server',
    details:
      'Prints an address and a code to confirm in a browser on any device. The tokens stay on this machine, readable by this user alone, and are used for that Score server only; the access token is renewed while the login lasts, also within a transfer.',
    examples: [
      {
        says: 'At a realm of Keycloak',
        line: 'score login --issuer https://login.example.org/realms/site --storage-url https://score.example.org',
      },
    ],
    options: {
      issuer: { kind: 'text', required: true, placeholder: 'URL', text: 'Address of the OIDC server' },
      clientId: {
        kind: 'text',
        default: 'score-client',
        placeholder: 'ID',
        text: 'This program there: a public client that may log in by device',
      },
      scope: { kind: 'text', default: 'openid offline_access', placeholder: 'SCOPES', text: 'What to ask for, separated by blanks' },
    },
    original: false,
  },
  logout: {
    summary: 'Remove the tokens of a login from this machine',
    examples: [{ says: 'For one server', line: 'score logout --storage-url https://score.example.org' }],
    options: {},
    original: false,
  },
  register: {
    summary: 'Register files in the catalogue and print the upload manifest',
    details: 'Makes one analysis of the files. On stdout: the manifest that `score upload --manifest` takes.',
    examples: [{ says: 'Register, then upload', line: 'score register --study DEMO sample.bam sample.bam.bai > manifest.txt' }],
    options: { study: { ...study, required: true }, ...registration },
    positionals: { name: 'FILE', least: 1, most: Number.POSITIVE_INFINITY },
    original: false,
  },
  publish: {
    summary: 'Publish an analysis: its objects can be downloaded',
    examples: [{ says: 'After the upload', line: 'score publish 9a8b7c6d-0000-4000-8000-000000000001 --study DEMO' }],
    options: stateChange,
    positionals: { name: 'ANALYSIS', least: 1, most: 1 },
    original: false,
  },
  unpublish: {
    summary: 'Take an analysis back: its objects can be replaced, not downloaded',
    examples: [{ says: 'Before a correction', line: 'score unpublish 9a8b7c6d-0000-4000-8000-000000000001 --study DEMO' }],
    options: stateChange,
    positionals: { name: 'ANALYSIS', least: 1, most: 1 },
    original: false,
  },
  suppress: {
    summary: 'Suppress an analysis for good',
    examples: [{ says: 'Consent was withdrawn', line: 'score suppress 9a8b7c6d-0000-4000-8000-000000000001 --study DEMO' }],
    options: stateChange,
    positionals: { name: 'ANALYSIS', least: 1, most: 1 },
    original: false,
  },
  ls: {
    summary: 'List the files that the catalogue knows',
    details: 'One line a file: object id, study, analysis, access, name, separated by tabs. With --json, one object a line.',
    examples: [{ says: 'Files of a study', line: 'score ls --study-id DEMO' }],
    options: {
      studyId: { kind: 'text', placeholder: 'STUDY', text: 'Only this study' },
      analysisId: { kind: 'text', placeholder: 'ANALYSIS', text: 'Only this analysis' },
    },
    original: false,
  },
  status: {
    summary: 'Show how far an object is: registered, uploading, stored, published',
    examples: [{ says: 'One object', line: 'score status 5be58fbb-775b-5259-bbbd-555e07fbdf24' }],
    options: {},
    positionals: { name: 'OBJECT-ID', least: 1, most: 1 },
    original: false,
  },
  cancel: {
    summary: 'Give up the upload of an object that is in progress',
    examples: [{ says: 'One object', line: 'score cancel 5be58fbb-775b-5259-bbbd-555e07fbdf24' }],
    options: {},
    positionals: { name: 'OBJECT-ID', least: 1, most: 1 },
    original: false,
  },
} as const satisfies Readonly<Record<string, CommandSpec>>

export type CommandName = keyof typeof commandTable
