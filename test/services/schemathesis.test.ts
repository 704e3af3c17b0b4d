import { execFile, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { type ServedFolder, serveFolder, study } from '../support/embedded-subject.ts'
import { suite } from '../support/suite.ts'

/**
 * Left out: `ignored_auth` wants 401 where upload routes answer 400 without the header, as recorded (wire-vectors.md 1);
 * `unsupported_method` takes `GET /upload/cancel` for a wrong method, where the original reads an object id.
 */
const checks = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_headers_conformance',
  'response_schema_conformance',
]

interface Finished {
  readonly code: number
  readonly output: string
}

function schemathesis(args: readonly string[], cwd: string): Promise<Finished> {
  return new Promise((resolve) => {
    execFile('schemathesis', args, { cwd, timeout: 280_000, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 1, output: stdout + stderr })
    })
  })
}

/** A published object of one study, so that some of what is asked is there. */
async function fillFolder(served: ServedFolder): Promise<string> {
  const bytes = Buffer.from('The quick brown fox jumps over the lazy dog')
  const md5 = createHash('md5').update(bytes).digest('hex')
  const objectId = await served.register({ size: bytes.length, md5, access: 'open' })
  const api = served.score.api()
  const { uploadId, parts } = await api.openUpload({ objectId, size: bytes.length, md5, overwrite: false })
  const put = await fetch(String(parts[0]?.url), { method: 'PUT', body: bytes })
  await api.finalizePart({ objectId, uploadId }, { number: 1, md5, etag: String(put.headers.get('etag')).replaceAll('"', '') })
  await api.finalizeUpload({ objectId, uploadId })
  await served.publish(objectId)
  return objectId
}

suite('schemathesis', (test) => {
  if (spawnSync('schemathesis', ['--version'], { timeout: 60_000 }).status !== 0) {
    test.skip('the document against a live server', 'there is no schemathesis: pip install schemathesis')
    return
  }

  /** With ids of what is there, requests reach further than with ids that are made up. */
  const rows: readonly (readonly [name: string, phases: string, known: boolean])[] = [
    ['ids made up', 'examples,coverage,fuzzing,stateful', false],
    ['ids of what is there', 'coverage,fuzzing', true],
  ]
  for (const [name, phases, known] of rows)
    test(`${name}: no failure of the server, no undocumented status, type or header, no answer that breaks its schema`, async () => {
      const served = await serveFolder()
      const folder = await mkdtemp(join(tmpdir(), 'score-schemathesis-'))
      try {
        const objectId = await fillFolder(served)
        const { analysisId } = await served.score.catalogue.entity(objectId)
        const parameters = `[parameters]\n"path.objectId" = "${objectId}"\n"path.study" = "${study}"\n"path.analysis" = "${analysisId}"\n`
        await writeFile(join(folder, 'schemathesis.toml'), known ? parameters : '')
        const { code, output } = await schemathesis(
          [
            'run',
            `${served.url}/v3/api-docs`,
            '--header',
            `Authorization: Bearer ${served.score.token}`,
            '--checks',
            checks.join(','),
            '--phases',
            phases,
            '--max-examples',
            process.env['SCHEMATHESIS_EXAMPLES'] ?? '25',
            '--seed',
            process.env['SCHEMATHESIS_SEED'] ?? '1',
            '--generation-database',
            'none',
            '--continue-on-failure',
            '--no-color',
          ],
          folder,
        )
        assert.is(code, 0, output.slice(-20_000))
        assert.match(output, /\d+ generated/)
      } finally {
        await served.close()
        await rm(folder, { recursive: true })
      }
    })
})
