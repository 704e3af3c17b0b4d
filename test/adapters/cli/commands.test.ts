import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { suite } from '../../support/suite.ts'
import { type CliWorld, createCliWorld, type Ended, md5OfFile, type RunOptions } from './cli-world.ts'

const unknown = '11111111-2070-5761-9dad-a0efeed5315a'
let world: CliWorld
let stub: Server
let bam: string
let bamId = ''
let indexId: string
let analysis: string
let hiddenId = ''
let hiddenMd5: string

const events = (text: string): { readonly [name: string]: unknown }[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { readonly [name: string]: unknown })

function succeeded(ended: Ended): Ended {
  if (ended.code !== 0) throw new Error(`exit ${ended.code}: ${ended.stderr}`)
  return ended
}

const score = async (...args: readonly string[]): Promise<Ended> => succeeded(await world.run(args))
const client = (...args: readonly string[]): Promise<Ended> => world.run(args, { program: 'score-client', env: world.named })

interface Refusal {
  readonly name: string
  readonly args: () => readonly string[]
  readonly options?: () => RunOptions
  readonly code: number
  readonly says: RegExp
}

const stubUrl = (): string => `http://127.0.0.1:${(stub.address() as AddressInfo).port}`
const inFolder = (name: string): string => join(world.folder, name)

/** What `score` refuses or cannot do: exit code and words. */
const refusals: readonly Refusal[] = [
  { name: 'upload of nothing', args: () => ['upload'], code: 2, says: /One of --object-id or --manifest must be specified/ },
  {
    name: 'upload without study',
    args: () => ['upload', 'a.bam'],
    code: 2,
    says: /files by name need --study: score upload --study STUDY a\.bam/,
  },
  { name: 'upload of a study without files', args: () => ['upload', '--study', 'S'], code: 2, says: /--study needs the files/ },
  {
    name: 'upload of study and manifest',
    args: () => ['upload', '--study', 'S', '--manifest', 'm'],
    code: 2,
    says: /--study registers files by itself/,
  },
  {
    name: 'upload of a file that is not there',
    args: () => ['upload', '--study', 'S', 'gone'],
    code: 2,
    says: /file '.*gone' does not exist/,
  },
  {
    name: 'upload of an empty file',
    args: () => ['upload', '--study', 'S', 'empty'],
    code: 2,
    says: /empty' is empty\. Uploads of empty files/,
  },
  { name: 'upload of a folder', args: () => ['upload', '--study', 'S', 'data'], code: 2, says: /data' is not a regular file/ },
  {
    name: 'upload of a file of another MD5',
    args: () => ['upload', '--object-id', hiddenId, '--file', 'hidden.bin', '--md5', 'd41d8cd98f00b204e9800998ecf8427e'],
    code: 6,
    says: /d41d8cd98f00b204e9800998ecf8427e/,
  },
  {
    name: 'upload under an id that nobody knows',
    args: () => ['upload', '--object-id', unknown, '--file', 'hidden.bin', '--md5', hiddenMd5],
    code: 4,
    says: new RegExp(unknown),
  },
  {
    name: 'upload of what is published',
    args: () => ['upload', '--object-id', bamId, '--file', 'a.bam', '--md5', md5OfFile(bam)],
    code: 5,
    says: /PUBLISHED|already exists/,
  },
  {
    name: 'a payload that is no JSON',
    args: () => ['register', '--study', 'S', '--payload', 'a.bam', 'a.bam'],
    code: 2,
    says: /--payload a\.bam is not valid JSON/,
  },
  {
    name: 'registering again what is published',
    args: () => ['register', '--study', 'DEMO', 'a.bam', 'a.bam.bai'],
    code: 5,
    says: /a\.bam/,
  },
  {
    name: 'download of two kinds',
    args: () => ['download', '--object-id', bamId, '--manifest', 'm', '--output-dir', 'x'],
    code: 2,
    says: /Only one of --object-id/,
  },
  {
    name: 'download of an analysis without study',
    args: () => ['download', '--analysis-id', 'a', '--output-dir', 'x'],
    code: 2,
    says: /Only one of --object-id/,
  },
  { name: 'download of nothing', args: () => ['download', '--output-dir', 'x'], code: 2, says: /Only one of --object-id/ },
  {
    name: 'download before the start',
    args: () => ['download', '--object-id', bamId, '--output-dir', 'x', '--offset', '-1'],
    code: 2,
    says: /--offset must not be negative/,
  },
  {
    name: 'download past the end',
    args: () => ['download', '--object-id', bamId, '--output-dir', 'x', '--offset', '999999999'],
    code: 2,
    says: /999999999/,
  },
  {
    name: 'download of an unknown id',
    args: () => ['download', '--object-id', unknown, '--output-dir', 'x'],
    code: 4,
    says: new RegExp(`no object ${unknown}`),
  },
  {
    name: 'download of what is not published',
    args: () => ['download', '--object-id', hiddenId, '--output-dir', 'x'],
    code: 5,
    says: /UNPUBLISHED/,
  },
  {
    name: 'a manifest that is not there',
    args: () => ['download', '--manifest', 'gone.tsv', '--output-dir', 'x'],
    code: 2,
    says: /Could not read manifest from 'file:.*gone\.tsv': .*No such file/,
  },
  {
    name: 'a manifest without rows',
    args: () => ['download', '--manifest', 'heading.tsv', '--output-dir', 'x'],
    code: 2,
    says: /Manifest 'heading\.tsv' is empty/,
  },
  {
    name: 'a manifest of wrong columns',
    args: () => ['download', '--manifest', 'wrong.tsv', '--output-dir', 'x'],
    code: 2,
    says: /line 2 has 2 columns instead of 11/,
  },
  {
    name: 'a GNOS manifest',
    args: () => ['download', '--manifest', 'm.xml', '--output-dir', 'x'],
    code: 2,
    says: /looks like a GNOS-format manifest/,
  },
  {
    name: 'an output directory that is a file',
    args: () => ['download', '--object-id', bamId, '--output-dir', 'a.bam'],
    code: 2,
    says: /a\.bam is not a directory/,
  },
  { name: 'url of an unknown id', args: () => ['url', '--object-id', unknown], code: 4, says: new RegExp(unknown) },
  { name: 'status of an unknown id', args: () => ['status', unknown], code: 4, says: new RegExp(unknown) },
  { name: 'status of what is no id', args: () => ['status', 'x'], code: 2, says: /'x' is not an object id/ },
  { name: 'cancel without upload', args: () => ['cancel', hiddenId], code: 4, says: new RegExp(hiddenId) },
  { name: 'publish of what has no bytes', args: () => ['publish', 'gone', '--study', 'DEMO'], code: 4, says: /gone/ },
  {
    name: 'a token that is wrong',
    args: () => ['upload', '--study', 'S', 'hidden.bin'],
    options: () => ({ env: { STORAGE_URL: world.url, ACCESSTOKEN: 'quite-the-wrong-token' } }),
    code: 3,
    says: /token/,
  },
  {
    name: 'no token where one is needed',
    args: () => ['cancel', hiddenId],
    options: () => ({ env: { STORAGE_URL: world.url, ACCESSTOKEN: '' } }),
    code: 3,
    says: /token/i,
  },
  {
    name: 'a server that is down',
    args: () => ['ls', '--storage-url', 'http://127.0.0.1:2'],
    options: () => ({ env: { STORAGE_RETRYNUMBER: '1' } }),
    code: 7,
    says: /127\.0\.0\.1:2/,
  },
  {
    name: 'a proxy page instead of JSON',
    args: () => ['url', '--object-id', bamId],
    options: () => ({ env: { STORAGE_URL: stubUrl(), STORAGE_RETRYNUMBER: '1' } }),
    code: 7,
    says: /127\.0\.0\.1/,
  },
  {
    name: 'no server at all',
    args: () => ['ls'],
    options: () => ({ env: { XDG_STATE_HOME: inFolder('nobody') } }),
    code: 2,
    says: /no catalogue \(Song\) is named: set METADATA_URL .*'score serve/,
  },
  {
    name: 'an address that is none',
    args: () => ['ls', '--storage-url', 'localhost:5431'],
    code: 2,
    says: /must be an http or https address/,
  },
  {
    name: 'a data folder without server',
    args: () => ['ls', '--data', 'nowhere'],
    code: 2,
    says: /no server of this user runs on .*nowhere: start one with/,
  },
  {
    name: 'a token file that is not there',
    args: () => ['ls', '--token-file', 'gone'],
    code: 2,
    says: /cannot read the access token from .*gone/,
  },
  {
    name: 'a number that is none',
    args: () => ['ls'],
    options: () => ({ env: { STORAGE_RETRYNUMBER: 'x' } }),
    code: 2,
    says: /storage\.retryNumber \(environment STORAGE_RETRYNUMBER\) must be a whole number/,
  },
  {
    name: 'serve without authorization for everyone',
    args: () => ['serve', '--data', 'd2', '--host', '0.0.0.0', '--auth', 'none', '--public-url', 'http://h'],
    code: 2,
    says: /--auth none is for this machine alone/,
  },
  {
    name: 'serve on all addresses without a name',
    args: () => ['serve', '--data', 'd2', '--host', '0.0.0.0'],
    code: 2,
    says: /needs --public-url/,
  },
  {
    name: 'serve on a port that is none',
    args: () => ['serve', '--data', 'd2', '--port', '70000'],
    code: 2,
    says: /--port must lie between/,
  },
  {
    name: 'serve on a port that is taken',
    args: () => ['serve', '--data', 'd2', '--port', new URL(world.url).port],
    code: 2,
    says: /another program listens there already: end it, or choose another --port/,
  },
  {
    name: 'serve on a folder that is something else',
    args: () => ['serve', '--data', 'foreign', '--port', '0'],
    code: 2,
    says: /foreign' is no data folder/,
  },
  {
    name: 'serve on the folder of a newer release',
    args: () => ['serve', '--data', 'newer', '--port', '0'],
    code: 2,
    says: /newer release/,
  },
]

/** What `score-client` says, always with exit code 1. */
const originalRefusals: readonly { readonly args: () => readonly string[]; readonly says: RegExp }[] = [
  { args: () => ['upload'], says: /^ERROR: Bad parameter\(s\): One of --object-id or --manifest must be specified$/m },
  {
    args: () => ['upload', '--object-id', bamId, '--verify-connection', 'false'],
    says: /^ERROR: Bad parameter\(s\): --file must be specified if --object-id is specified$/m,
  },
  {
    args: () => ['upload', '--object-id', bamId, '--file', 'a.bam', '--verify-connection', 'false'],
    says: /^ERROR: Bad parameter\(s\): --md5 must be specified if --object-id is specified$/m,
  },
  {
    args: () => ['upload', '--object-id', bamId, '--file', 'empty', '--md5', 'x'],
    says: /^ERROR: Bad parameter\(s\): File '.*empty' is empty\. Uploads of empty files are not permitted\. Aborting\.\.\.$/m,
  },
  {
    args: () => ['upload', '--object-id', bamId, '--file', 'a.bam', '--md5', md5OfFile(bam)],
    says: /^ERROR: Bad parameter\(s\): Object id \S+ already exists remotely and --force was not specified\. Aborting\.\.\.$/m,
  },
  { args: () => ['download', '--object-id', unknown, '--output-dir', 'y'], says: /^ERROR: Entity not found: /m },
  { args: () => ['download', '--object-id', hiddenId, '--output-dir', 'y'], says: /^ERROR: Command error: .*UNPUBLISHED/m },
  {
    args: () => ['download', '--manifest', '/foo', '--output-dir', 'y'],
    says: /^ERROR: Could not read manifest from 'file:\/foo': \/foo \(No such file or directory\)$/m,
  },
  { args: () => ['download', '--manifest', 'heading.tsv', '--output-dir', 'y'], says: /^ERROR: Manifest 'heading\.tsv' is empty$/m },
  { args: () => ['upload', '--manifest', 'heading3.tsv'], says: /^ERROR: Manifest 'heading3\.tsv' is empty$/m },
  {
    args: () => ['upload', '--manifest', 'blank.tsv'],
    says: /^ERROR: Could not read manifest from 'file:.*blank\.tsv': Expected 3 columns found 1 for line ''$/m,
  },
  { args: () => ['help', 'a', 'b'], says: /^ERROR: Bad parameter\(s\): At most one command name is expected, got 2$/m },
]

suite('commands against a server', (test) => {
  test.before(async () => {
    world = await createCliWorld()
    stub = createServer((_request, response) => response.setHeader('content-type', 'text/html').end('<html>Please log in</html>'))
    await new Promise<void>((done) => stub.listen(0, '127.0.0.1', done))
    bam = world.makeFile('a.bam', 300_000)
    world.makeFile('a.bam.bai', 2000)
    world.makeFile('empty', 0)
    const write = (name: string, text: string): void => writeFileSync(inFolder(name), text)
    write('heading.tsv', `${'x\t'.repeat(10)}x\n`)
    write('wrong.tsv', `${'x\t'.repeat(10)}x\na\tb\n`)
    write('heading3.tsv', 'a\t\t\n')
    write('blank.tsv', 'a\t\t\n\n')
    write('m.xml', '<xml/>')
    for (const name of ['foreign', 'newer']) mkdirSync(inFolder(name))
    write('foreign/thesis.txt', 'x')
    write('newer/VERSION', '99\n')
    const hidden = world.makeFile('hidden.bin', 5000)
    hiddenMd5 = md5OfFile(hidden)
    const registered = await score('register', '--study', 'HIDDEN', 'hidden.bin')
    hiddenId = registered.stdout.split('\n')[1]?.split('\t')[0] ?? ''
  })
  test.after(async () => {
    stub.close()
    stub.closeAllConnections()
    await world.close()
  })

  test('register prints a manifest that upload takes', async () => {
    const { stdout } = await score('register', '--study', 'HIDDEN', 'hidden.bin')
    assert.match(stdout, new RegExp(`^\\S+\\t\\t\\n${hiddenId}\\t${inFolder('hidden.bin')}\\t${hiddenMd5}\\n$`))
  })

  test('upload of a study: registered, stored, published, in one command', async () => {
    const { stdout, stderr } = await score('upload', '--study', 'DEMO', 'a.bam', 'a.bam.bai')
    const rows = stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split('\t'))
    assert.equal(
      rows.map(([, path]) => path),
      [bam, `${bam}.bai`],
    )
    bamId = rows[0]?.[0] ?? ''
    indexId = rows[1]?.[0] ?? ''
    assert.match(stderr, /Registered analysis \S+ in study DEMO\n/)
    assert.match(stderr, new RegExp(`Uploaded ${bam}: 293\\.0 KiB in .*1 part moved, MD5 ${md5OfFile(bam)}`))
    assert.match(stderr, /Published analysis/)
  })

  test('the same command again has nothing to do, and says so', async () => {
    const { stdout, stderr } = await score('upload', '--study', 'DEMO', 'a.bam', 'a.bam.bai')
    assert.is(stdout, `${bamId}\t${bam}\n${indexId}\t${bam}.bai\n`)
    assert.match(stderr, /Nothing to do: analysis \S+ of study DEMO holds these files and is published/)
    assert.not.match(stderr, /Uploaded|Registered/)
    const [told] = events((await score('upload', '--study', 'DEMO', 'a.bam', 'a.bam.bai', '--json')).stdout).slice(-1)
    assert.equal([told?.['type'], told?.['published'], told?.['files']], ['summary', true, []])
  })

  test('ls and status', async () => {
    const listed = await score('ls', '--study-id', 'DEMO')
    const row = listed.stdout.split('\n').find((line) => line.startsWith(bamId))
    analysis = row?.split('\t')[2] ?? ''
    assert.is(row, `${bamId}\tDEMO\t${analysis}\tcontrolled\ta.bam`)
    assert.is((await score('ls', '--study-id', 'NONE')).stdout, '')
    const { stdout } = await score('status', bamId)
    assert.match(
      stdout,
      /Name +a\.bam\nStudy +DEMO\nAnalysis +\S+, published\nAccess +controlled\nBytes +stored, 293\.0 KiB \(300000 bytes\), MD5 /,
    )
    const [state] = events((await score('status', hiddenId, '--json')).stdout)
    assert.is(state?.['state'], 'absent')
    assert.is(state?.['registeredSize'], 5000)
  })

  test('download with index; again: skipped; by force: anew', async () => {
    const first = await score('download', '--object-id', bamId, '--output-dir', 'out/deep')
    assert.is(first.stdout, `${bamId}\t${inFolder('out/deep/a.bam')}\n${indexId}\t${inFolder('out/deep/a.bam.bai')}\n`)
    assert.equal(readdirSync(inFolder('out/deep')).sort(), ['a.bam', 'a.bam.bai'])
    assert.is(md5OfFile(inFolder('out/deep/a.bam')), md5OfFile(bam))
    const second = await score('download', '--object-id', bamId, '--output-dir', 'out/deep')
    assert.match(second.stderr, /Download file '.*a\.bam' already exists and --force was not specified\.\.\. not re-downloading it\./)
    assert.is(second.stdout, '')
    writeFileSync(inFolder('out/deep/a.bam'), 'spoilt')
    await score('download', '--object-id', bamId, '--output-dir', 'out/deep', '--force', '--no-index')
    assert.is(md5OfFile(inFolder('out/deep/a.bam')), md5OfFile(bam))
  })

  test('layouts, analysis, manifest, range', async () => {
    await score('download', '--analysis-id', analysis, '--program-id', 'DEMO', '--output-layout', 'bundle', '--output-dir', 'o1')
    assert.equal(readdirSync(join(inFolder('o1'), analysis)).sort(), ['a.bam', 'a.bam.bai'])
    writeFileSync(inFolder('d.tsv'), `object_id\tnote\n${bamId}\tx\n\n`)
    await score(
      'download',
      '--manifest',
      'd.tsv',
      '--output-layout',
      'id',
      '--index',
      'false',
      '--output-dir',
      'o2',
      '--metadata-url',
      'http://127.0.0.1:9',
    )
    assert.equal(readdirSync(inFolder('o2')), [bamId])
    await score('download', '--object-id', bamId, '--offset', '1000', '--length', '500', '--output-dir', 'o3')
    assert.equal(readdirSync(inFolder('o3')), ['a.bam'])
    assert.equal(readFileSync(inFolder('o3/a.bam')), readFileSync(bam).subarray(1000, 1500))
  })

  test('the same content again: only when it is meant', async () => {
    assert.is((await world.run(['register', '--study', 'COPY', 'a.bam'])).code, 5)
    const copy = await score('register', '--study', 'COPY', 'a.bam', '--allow-duplicates')
    assert.not.match(copy.stdout, new RegExp(bamId))
  })

  test('url: any program can fetch it', async () => {
    const { stdout } = await score('url', '--object-id', bamId)
    const answer = await fetch(stdout.trim())
    assert.is((await answer.arrayBuffer()).byteLength, 300_000)
  })

  test('--json: events, then a summary', async () => {
    const { stdout, stderr } = await score('download', '--object-id', bamId, '--output-dir', 'o4', '--json')
    const told = events(stdout)
    assert.is(stderr, '')
    assert.equal(
      new Set(told.map(({ type }) => type)),
      new Set(['started', 'part', 'finished', 'summary', ...(told.some(({ type }) => type === 'progress') ? ['progress'] : [])]),
    )
    const summary = told.at(-1) as { readonly files: readonly Readonly<Record<string, unknown>>[]; readonly failed: number }
    assert.is(summary.failed, 0)
    const file = summary.files.find(({ objectId }) => objectId === bamId)
    assert.is(file?.['path'], inFolder('o4/a.bam'))
    assert.is(file?.['bytes'], 300_000)
    assert.is(file?.['md5'], md5OfFile(bam))
    assert.is(file?.['partsMoved'], 1)
  })

  test('--max-rate bounds both ways', async () => {
    world.makeFile('paced.bin', 3 * 1024 * 1024)
    const moved = (ended: Ended): { readonly objectId: string; readonly seconds: number } => {
      const summary = events(succeeded(ended).stdout).at(-1) as {
        readonly files: readonly { readonly objectId: string; readonly seconds: number }[]
      }
      return summary.files[0] ?? { objectId: '', seconds: 0 }
    }
    const sent = moved(await world.run(['upload', '--study', 'PACED', 'paced.bin', '--max-rate', '1M', '--json']))
    assert.ok(sent.seconds > 1.5, `sent in ${sent.seconds} s`)
    const got = moved(await world.run(['download', '--object-id', sent.objectId, '--output-dir', 'paced', '--max-rate', '1M', '--json']))
    assert.ok(got.seconds > 1.5, `fetched in ${got.seconds} s`)
  })

  test('some of several fail: the others are there, exit code 8', async () => {
    const ended = await world.run(['download', '--object-id', bamId, hiddenId, '--output-dir', 'o5'])
    assert.is(ended.code, 8)
    assert.ok(existsSync(inFolder('o5/a.bam')))
    assert.match(ended.stderr, /ERROR: .*hidden\.bin: .*UNPUBLISHED/)
    assert.match(ended.stderr, /2 of 3 files done/)
  })

  for (const { name, args, options, code, says } of refusals) {
    test(`refused: ${name}`, async () => {
      const ended = await world.run(args(), options?.())
      assert.match(ended.stderr, says)
      assert.is(ended.code, code)
      assert.match(ended.stderr, /^ERROR: /m)
      assert.not.match(ended.stderr, /\n\s+at /)
      assert.not.match(ended.stderr + ended.stdout, /wrong-token|Signature=[A-Za-z0-9]/)
    })
  }

  for (const { args, says } of originalRefusals) {
    test(`score-client refuses like the original: ${says.source.slice(0, 70)}`, async () => {
      const ended = await client(...args())
      assert.match(ended.stderr, says)
      assert.is(ended.code, 1)
      assert.is(ended.stdout, '')
    })
  }

  test('an error is told as JSON too, with its code', async () => {
    const ended = await world.run(['status', unknown, '--json'])
    assert.equal(events(ended.stdout)[0]?.['code'], 'entity-not-found')
    assert.is(ended.code, 4)
  })

  test('--silent: no words, the exit code and the data stay', async () => {
    const ended = await world.run(['status', unknown, '--silent'])
    assert.equal(ended, { code: 4, stdout: '', stderr: '' })
    assert.match((await world.run(['ls', '--silent'])).stdout, /a\.bam/)
  })

  test('--debug shows where it came from; without it no stack', async () => {
    assert.match((await world.run(['status', unknown, '--debug'])).stderr, /\n\s+at /)
  })

  test('score-client: the lines that users look for', async () => {
    const up = succeeded(await client('upload', '--file', './hidden.bin', '--object-id', hiddenId, '--md5', hiddenMd5))
    assert.match(
      up.stderr,
      /^Starting\.\.\.\nValidating repository connection\.\.\.\nUploading object: '.*hidden\.bin' using the object id \S+\n/,
    )
    assert.match(up.stderr, /\nUpload completed\n$/)
    assert.match(
      (await client('upload', '--file', './hidden.bin', '--object-id', hiddenId, '--md5', hiddenMd5, '--force')).stderr,
      /WARN: Object \S+ exists and --force specified\. Overwriting\.\.\./,
    )
    const down = succeeded(await client('download', '--object-id', bamId, '--output-dir', 'o6'))
    assert.match(down.stderr, /\nDownloading\.\.\.\n-+\n\[1\/2\] Downloading object: \S+ \(a\.bam\)\n-+\n/)
    assert.match(down.stderr, /\nTotal bytes read {4}: +300,000\n/)
    assert.match(down.stderr, /\nDone\.\n$/)
    assert.equal(readdirSync(inFolder('o6')).sort(), ['a.bam', 'a.bam.bai'])
    const url = succeeded(await client('url', '--object-id', bamId))
    assert.match(url.stderr, /Resolving URL for object: /)
    assert.match(url.stdout, /^http\S+\n$/)
    const shown = succeeded(await client('manifest', '--manifest', 'd.tsv'))
    assert.is(shown.stdout, readFileSync(inFolder('d.tsv'), 'utf8'))
  })

  test('score-client never finds a local server or its token by itself', async () => {
    const ended = await world.run(['url', '--object-id', bamId], { program: 'score-client' })
    assert.is(ended.code, 1)
    assert.match(ended.stderr, /no Score server is named: set STORAGE_URL/)
    const named = await world.run(['cancel', hiddenId], { program: 'score-client', env: { STORAGE_URL: world.url } })
    assert.match(named.stderr, /token/i)
  })

  test('the token of the run file goes to that very address only', async () => {
    let sent: string | undefined
    const thief = createServer((request, response) => {
      sent = request.headers.authorization ?? 'nothing'
      response.statusCode = 404
      response.end()
    })
    await new Promise<void>((done) => thief.listen(0, '127.0.0.1', done))
    const { port } = thief.address() as AddressInfo
    await world.run(['url', '--object-id', bamId, '--storage-url', `http://127.0.0.1:${port}`], { env: { STORAGE_RETRYNUMBER: '1' } })
    thief.close()
    thief.closeAllConnections()
    assert.is(sent, 'nothing')
  })

  test('a server that is found brings its own token, whatever the environment holds for another', async () => {
    const ended = await world.run(['status', hiddenId], { env: { ACCESSTOKEN: 'token-of-some-other-place' } })
    assert.is(ended.code, 0, ended.stderr)
  })

  test('info names the sources and hides the token', async () => {
    const { stdout } = await score('info')
    assert.match(stdout, new RegExp(`storage\\.url +${world.url} +\\[local server, run file `))
    assert.not.match(stdout, new RegExp(world.token))
    assert.match(stdout, new RegExp(`accessToken +••••${world.token.slice(-4)} `))
    const strict = await client('info')
    assert.match(strict.stderr, /> SCORE Client/)
    assert.not.match(strict.stderr, new RegExp(world.token))
  })

  test('unpublish takes the download away, publish gives it back, suppress ends it', async () => {
    await score('unpublish', analysis)
    assert.is((await world.run(['download', '--object-id', bamId, '--output-dir', 'o7', '--no-index'])).code, 5)
    await score('publish', analysis, '--study', 'DEMO')
    await score('download', '--object-id', bamId, '--output-dir', 'o7', '--no-index')
    await score('suppress', analysis)
    assert.is((await world.run(['download', '--object-id', bamId, '--output-dir', 'o8', '--no-index'])).code, 5)
  })

  test('the run file and its folder are the user’s alone', () => {
    const folder = join(world.folder, 'state/score/run')
    const [name = ''] = readdirSync(folder)
    assert.is(statSync(folder).mode & 0o777, 0o700)
    assert.is(statSync(join(folder, name)).mode & 0o777, 0o600)
  })
})
