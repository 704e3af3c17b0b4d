import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import pLimit from 'p-limit'
import * as assert from 'uvu/assert'
import { otherStudy, ownStudy, systemScopes } from './support/auth-callers.ts'
import { expectRun } from './support/expect-run.ts'
import type { ClientRun } from './support/original-client.ts'
import { md5Of, type Site, type SiteFile, siteSuite } from './support/site.ts'

const scopes = {
  system: systemScopes,
  'system, to read': ['score.READ'],
  study: [`PROGRAMDATA-${ownStudy}.READ`, `PROGRAMDATA-${ownStudy}.WRITE`],
  'study, to read': [`PROGRAMDATA-${ownStudy}.READ`],
  'study, to write': [`PROGRAMDATA-${ownStudy}.WRITE`],
  'another study': [`PROGRAMDATA-${otherStudy}.READ`, `PROGRAMDATA-${otherStudy}.WRITE`],
  none: [],
} as const

type Bearer = `${'JWT' | 'API key'}, ${keyof typeof scopes}` | 'nobody' | 'JWT that has run out' | 'API key that was revoked'
type Target = 'an unpublished object' | 'a published object' | 'an open object'

// Its own words of a refusal: a 403's text verbatim, of a 401 nothing, for that has no body.
const mayNotUpload = /Storage client error: Token missing required scope to update project/
const mayNotDownload = /Storage client error: Token missing required scope to download controlled-access file/
const badToken = /NotResumableException: .*Storage client error: *\n/
const noHeader = /"status":400.*the Authorization header is missing/
const notUnpublished = /"status":400.*files can be uploaded only while it is UNPUBLISHED/
const notPublished = /"status":400.*files can be downloaded only once it is PUBLISHED/

interface Row {
  readonly command: 'upload' | 'download' | 'url'
  readonly target: Target
  readonly bearer: Bearer
  /** What the original's client says when it fails; without, it succeeds. */
  readonly refused?: RegExp
}

const rows: readonly Row[] = [
  { command: 'upload', target: 'an unpublished object', bearer: 'JWT, system' },
  { command: 'upload', target: 'an unpublished object', bearer: 'JWT, study, to write' },
  { command: 'upload', target: 'an unpublished object', bearer: 'API key, study' },
  { command: 'upload', target: 'an unpublished object', bearer: 'JWT, study, to read', refused: mayNotUpload },
  { command: 'upload', target: 'an unpublished object', bearer: 'JWT, another study', refused: mayNotUpload },
  { command: 'upload', target: 'an unpublished object', bearer: 'API key, none', refused: mayNotUpload },
  { command: 'upload', target: 'an unpublished object', bearer: 'nobody', refused: noHeader },
  { command: 'upload', target: 'an unpublished object', bearer: 'JWT that has run out', refused: badToken },
  { command: 'upload', target: 'a published object', bearer: 'JWT, system', refused: notUnpublished },
  { command: 'download', target: 'a published object', bearer: 'JWT, system, to read' },
  { command: 'download', target: 'a published object', bearer: 'JWT, study, to read' },
  { command: 'download', target: 'a published object', bearer: 'API key, study' },
  { command: 'download', target: 'a published object', bearer: 'JWT, study, to write', refused: mayNotDownload },
  { command: 'download', target: 'a published object', bearer: 'JWT, another study', refused: mayNotDownload },
  { command: 'download', target: 'a published object', bearer: 'API key that was revoked', refused: badToken },
  { command: 'download', target: 'a published object', bearer: 'nobody', refused: mayNotDownload },
  { command: 'download', target: 'an open object', bearer: 'nobody' },
  { command: 'download', target: 'an open object', bearer: 'API key, another study' },
  { command: 'download', target: 'an open object', bearer: 'JWT that has run out', refused: badToken },
  { command: 'download', target: 'an unpublished object', bearer: 'JWT, system', refused: notPublished },
  { command: 'url', target: 'a published object', bearer: 'API key, system' },
]

const nameOf = ({ command, target, bearer, refused }: Row): string =>
  `${command} of ${target} by ${bearer}: ${refused === undefined ? 'done' : 'refused'}`

async function tokenOf({ auth }: Site, bearer: Bearer): Promise<string> {
  if (bearer === 'nobody') return ''
  if (bearer === 'JWT that has run out') return auth.token({ scopes: systemScopes, expiresIn: -600 })
  const key = crypto.randomUUID()
  if (bearer === 'API key that was revoked') {
    auth.setApiKey(key, { body: { user_id: 'ada', exp: 3600, scope: systemScopes, revoked: true } })
    return key
  }
  const [kind, granted] = [bearer.slice(0, bearer.indexOf(',')), bearer.slice(bearer.indexOf(',') + 2)] as [string, keyof typeof scopes]
  if (kind === 'JWT') return auth.token({ scopes: scopes[granted] })
  auth.grantApiKey(key, scopes[granted])
  return key
}

interface Done {
  readonly run: ClientRun
  readonly file: SiteFile
  /** Where a download was to land. */
  readonly folder: string
}

const nameOfFile = ({ path }: SiteFile): string => basename(path)

/** What must be so once a command has succeeded. */
const effects: Readonly<Record<Row['command'], (site: Site, done: Done) => Promise<void>>> = {
  async upload(site, { file }) {
    assert.ok((await site.keys('data/')).includes(`data/${file.objectId}.meta`))
  },
  async download(_site, { file, folder }) {
    assert.is(md5Of(join(folder, nameOfFile(file))), file.md5)
  },
  async url(_site, { run, file }) {
    const answer = await fetch(run.stdout.trim())
    assert.is(
      createHash('md5')
        .update(Buffer.from(await answer.arrayBuffer()))
        .digest('hex'),
      file.md5,
    )
  },
}

async function publishedFile(site: Site, name: string, access: 'open' | 'controlled'): Promise<SiteFile> {
  const [file] = await site.register([site.makeFile(name, 5000)], { access, study: ownStudy })
  const { path, objectId, md5 } = file as SiteFile
  const { code, stderr } = await site.start('ours', ['upload', '--file', path, '--object-id', objectId, '--md5', md5]).finished
  assert.is(code, 0, stderr)
  await site.publish(file as SiteFile)
  return file as SiteFile
}

siteSuite('the original’s client with its tokens, at our server', (test) => {
  const running = new Map<Row, Promise<Done>>()

  /** Each row needs a JVM, which takes seconds to start: two run at a time. */
  const startAll = (site: Site): void => {
    site.serveBy('ours')
    const two = pLimit(2)
    const published = publishedFile(site, 'published.bam', 'controlled')
    const open = publishedFile(site, 'open.bam', 'open')
    for (const [index, row] of rows.entries()) {
      const started = two(async () => {
        const unpublished = async (): Promise<SiteFile> => {
          const [file] = await site.register([site.makeFile(`row-${index}.bam`, 5000)], { study: ownStudy })
          return file as SiteFile
        }
        const file = await { 'a published object': () => published, 'an open object': () => open, 'an unpublished object': unpublished }[
          row.target
        ]()
        const folder = join(site.folder, `row-${index}`)
        const args = {
          upload: ['upload', '--force', '--file', file.path, '--object-id', file.objectId, '--md5', file.md5],
          download: ['download', '--object-id', file.objectId, '--output-dir', folder],
          url: ['url', '--object-id', file.objectId],
        }
        const run = await site.start('original', args[row.command], { token: await tokenOf(site, row.bearer) }).finished
        return { run, file, folder }
      })
      // A failure is told by the test of its row, which may still wait for others.
      started.catch(() => undefined)
      running.set(row, started)
    }
  }

  for (const row of rows)
    test(nameOf(row), async (site) => {
      if (running.size === 0) startAll(site)
      const { run, file, folder } = await (running.get(row) as Promise<Done>)
      if (row.refused !== undefined) {
        expectRun(run, 1, row.refused)
        assert.not(existsSync(join(folder, nameOfFile(file))))
        return
      }
      expectRun(run, 0, '')
      await effects[row.command](site, { run, file, folder })
    })
})
