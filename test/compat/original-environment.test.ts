import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import * as assert from 'uvu/assert'
import { makeDemoBam } from '../../examples/demo/make-bam.ts'
import { programOf, startProgram } from '../services/support/score-process.ts'
import { freePort } from '../support/free-port.ts'
import { expectRun } from './support/expect-run.ts'
import { deploymentOf, environmentOfDeployment, md5Of, partSize, type Site, type SiteFile, siteSuite } from './support/site.ts'

const study = 'TEST-CA'
const apiKey = '6a9b1c5e-7d3f-4e2a-9b8c-0d1e2f3a4b5c'
const built = join(import.meta.dirname, '..', '..', 'dist', 'bin', 'score.js')

/** As an installation has it, where it was built; else from its source. */
const program = existsSync(built) ? [built] : programOf('score')

/** What the files and charts of real sites set beside what matters, some of it without any effect. */
const alsoSet = {
  AUTH_SERVER_CLIENTID: 'score',
  AUTH_SERVER_CLIENTSECRET: 'scoresecret',
  AUTH_SERVER_SCOPE_DOWNLOAD_SYSTEM: 'score.READ',
  AUTH_SERVER_SCOPE_UPLOAD_SYSTEM: 'score.WRITE',
  AUTH_SERVER_SCOPE_DOWNLOAD_STUDY_PREFIX: 'PROGRAMDATA-',
  AUTH_SERVER_SCOPE_DOWNLOAD_STUDY_SUFFIX: '.READ',
  AUTH_SERVER_SCOPE_UPLOAD_STUDY_PREFIX: 'PROGRAMDATA-',
  AUTH_SERVER_SCOPE_UPLOAD_STUDY_SUFFIX: '.WRITE',
  BUCKET_SIZE_POOL: '0',
  BUCKET_SIZE_KEY: '2',
  COLLABORATORY_DATA_DIRECTORY: 'data',
  JAVA_OPTS: '-Xmx1g',
  METADATA_USELEGACYMODE: 'false',
  OBJECT_SENTINEL: 'heliograph',
  S3_CUSTOMMD5PROPERTY: 'md5chksum',
  S3_DATA_DIRECTORY: 'data',
  S3_DOWNLOAD_EXPIRATION: '1',
  S3_UPLOAD_DIRECTORY: 'upload',
  S3_UPLOAD_EXPIRATION: '6',
  SERVER_SSL_ENABLED: 'false',
  SPRING_CLOUD_VAULT_ENABLED: 'false',
  UPLOAD_CLEAN_CRON: '0 0 0 * * ?',
  UPLOAD_CLEAN_ENABLED: 'true',
  UPLOAD_CONNECTION_TIMEOUT: '60000',
  UPLOAD_RETRY_LIMIT: '10',
}

interface Deployed {
  log(): string
  end(): Promise<void>
}

/** A bare `score serve` in this environment; it listens where SERVER_PORT says. */
async function deploy(site: Site, env: Readonly<Record<string, string>>, args: readonly string[] = []): Promise<Deployed> {
  const port = await freePort()
  const server = startProgram(['serve', ...args], { program, cwd: site.folder, env: { ...env, SERVER_PORT: String(port) } })
  let ended = false
  void server.finished.then(() => {
    ended = true
  })
  for (const deadline = Date.now() + 120_000; ; await wait(100)) {
    const answer = await fetch(`http://127.0.0.1:${port}/actuator/health`).catch(() => undefined)
    if (answer?.status === 200) {
      assert.is(((await answer.json()) as { readonly status: string }).status, 'UP')
      break
    }
    await answer?.body?.cancel()
    if (ended || Date.now() > deadline) throw new Error(`the server did not come up:\n${server.log()}`)
  }
  site.service.forwardTo(port)
  return {
    log: server.log,
    async end() {
      server.end()
      const { code, stdout, stderr } = await server.finished
      assert.is(code, 0, stdout + stderr)
    },
  }
}

const uploadArgs = ({ path, objectId, md5 }: SiteFile): string[] => ['upload', '--file', path, '--object-id', objectId, '--md5', md5]
const isPartPut = (method: string, url: string): boolean => method === 'PUT' && url.includes('partNumber=')
const isReceipt = ({ url, status }: { readonly url: string; readonly status: number }): boolean => url.includes('/parts?') && status === 200

function must(files: readonly SiteFile[]): [SiteFile, ...SiteFile[]] {
  const [first, ...others] = files
  if (first === undefined) throw new Error('nothing was registered')
  return [first, ...others]
}

siteSuite(
  "the environment of an original's deployment starts ours",
  (test) => {
    let server: Deployed | undefined
    let big: SiteFile

    test('a bare `score serve` comes up, and complains of nothing that works', async (site) => {
      server = await deploy(site, { ...environmentOfDeployment(site), ...alsoSet })
      assert.match(server.log(), /score\.data/)
      assert.not.match(server.log(), /error/i)
    })

    test("the original's client uploads, is killed, and goes on", async (site) => {
      ;[big] = must(await site.register([site.makeFile('big.bin', 2 * partSize + 333)]))
      const receipts = (): number => site.service.exchanges.filter(isReceipt).length
      site.traffic.hold((method, url) => isPartPut(method, url) && receipts() >= 1)
      const first = site.start('original', uploadArgs(big), { env: { TRANSPORT_PARALLEL: '1' } })
      await site.service.seen(1, isReceipt, 120)
      first.kill()
      assert.is((await first.finished).code, null)
      site.traffic.clear()
      expectRun(await site.start('original', uploadArgs(big)).finished, 0, 'Upload completed')
      assert.is(site.traffic.exchanges.filter(({ method, url }) => isPartPut(method, url)).length, 2, 'three parts, one of them kept')
      assert.equal(await site.keys('upload/'), [])
    })

    test("the original's client downloads; with an API key of the study too", async (site) => {
      await site.publish(big)
      site.auth.grantApiKey(apiKey, [`PROGRAMDATA-${study}.READ`])
      for (const [folder, token] of [
        ['jwt', site.token],
        ['key', apiKey],
      ] as const) {
        const args = ['download', '--object-id', big.objectId, '--output-dir', join(site.folder, folder)]
        expectRun(await site.start('original', args, { token }).finished, 0, 'Done.')
        assert.is(md5Of(join(site.folder, folder, 'big.bin')), big.md5)
      }
      const refused = ['download', '--object-id', big.objectId, '--output-dir', join(site.folder, 'none')]
      expectRun(await site.start('original', refused, { token: '' }).finished, 1, 'Command error')
    })

    test("the original's client views a region of a BAM", async (site) => {
      const made = await makeDemoBam({ path: join(site.folder, 'demo.bam'), targetBytes: 1_000_000, seed: 7 })
      const files = must(await site.register([made.path, made.indexPath]))
      for (const file of files) expectRun(await site.start('original', uploadArgs(file)).finished, 0, 'Upload completed')
      await site.publish(files[0])
      const args = ['view', '--object-id', files[0].objectId, '--query', 'chr2:100000-150000', '--output-original-header']
      const run = await site.start('original', args).finished
      expectRun(run, 0, '')
      const reads = run.stdout
        .trimEnd()
        .split('\n')
        .filter((line) => !line.startsWith('@'))
      assert.ok(reads.length > 20, `${reads.length} reads`)
      assert.ok(reads.every((line) => line.split('\t')[2] === 'chr2'))
    })

    test('it ends when it is told to', async () => {
      await server?.end()
    })

    const forms: readonly (readonly [
      name: string,
      write: (site: Site, folder: string) => Record<string, string>,
      args?: (folder: string) => string[],
    ])[] = [
      [
        'application.properties, in a folder that Spring is told of',
        (site, folder) => {
          const lines = Object.entries(deploymentOf(site)).map(([name, value]) => `${name}=${value.replaceAll(':', '\\:')}`)
          writeFileSync(join(folder, 'application.properties'), `# of a site\n${lines.join('\n')}\n`)
          return { SPRING_CONFIG_ADDITIONAL_LOCATION: `file:${folder}/` }
        },
      ],
      [
        'application.yml with a document for each profile, and secrets from the environment',
        (site, folder) => {
          const {
            's3.accessKey': access,
            's3.secretKey': secret,
            's3.endpoint': endpoint,
            'spring.profiles.active': profiles,
            ...rest
          } = deploymentOf(site)
          const plain = Object.entries(rest).map(([name, value]) => `${name}: "${value}"`)
          const text = [
            ...plain,
            's3:',
            `  accessKey: \${OUR_KEY}`,
            `  secretKey: \${OUR_SECRET:none}`,
            '---',
            'spring.config.activate.on-profile: prod',
            `s3.endpoint: ${endpoint}`,
            '---',
            'spring.config.activate.on-profile: qa',
            's3.endpoint: http://127.0.0.1:9',
          ]
          writeFileSync(join(folder, 'application.yml'), `${text.join('\n')}\n`)
          return { OUR_KEY: access ?? '', OUR_SECRET: secret ?? '', SPRING_PROFILES_ACTIVE: profiles ?? '' }
        },
        (folder) => ['--config', join(folder, 'application.yml')],
      ],
    ]
    for (const [index, [name, write, args]] of forms.entries())
      test(`the same from ${name}`, async (site) => {
        const folder = join(site.folder, `form-${index}`)
        mkdirSync(folder)
        const running = await deploy(site, write(site, folder), args?.(folder))
        try {
          const target = join(site.folder, `form-${index}-download`)
          expectRun(await site.start('original', ['download', '--object-id', big.objectId, '--output-dir', target]).finished, 0, 'Done.')
          assert.is(md5Of(join(target, 'big.bin')), big.md5)
        } finally {
          await running.end()
        }
      })

    test("our clients read the original's own configuration", async (site) => {
      const running = await deploy(site, environmentOfDeployment(site))
      try {
        const folder = join(site.folder, 'conf')
        mkdirSync(folder)
        const lines = [
          '# Access token of the portal',
          `accessToken=${site.token}`,
          `storage.url=${site.service.url}`,
          `metadata.url = ${site.songUrl}`,
          'transport.parallel : 2',
          'storage.retryNumber=3',
          'logging.level.root=INFO',
        ]
        writeFileSync(join(folder, 'application.properties'), lines.join('\n'))
        const file = join(folder, 'application.properties')
        const runs: readonly (readonly [name: 'score' | 'score-client', args: readonly string[], env: Record<string, string>])[] = [
          ['score', ['--config', file], {}],
          ['score-client', [], { SCORE_CONFIG: file }],
          ['score-client', [], { SCORE_CONFIG: folder }],
        ]
        for (const [index, [name, args, env]] of runs.entries()) {
          const target = join(site.folder, `configured-${index}`)
          const download = [...args, 'download', '--object-id', big.objectId, '--output-dir', target]
          const run = startProgram(download, { program: programOf(name), cwd: site.folder, env })
          assert.is((await run.finished).code, 0, run.log())
          assert.is(md5Of(join(target, 'big.bin')), big.md5)
        }
      } finally {
        await running.end()
      }
    })
  },
  { serve: [] },
)
