import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { isScoreError } from '../../src/core/errors.ts'
import { parseDownloadManifest, parseUploadManifest } from '../../src/transfer/manifest.ts'
import { manifestResource, readManifest } from '../../src/transfer/manifest-resource.ts'
import { safeFileName } from '../../src/transfer/target-name.ts'
import { suite } from '../support/suite.ts'

const id = '576f7386-e626-5d99-ae63-1b3ce9de308b'
const other = 'd0522915-f5b6-584e-8409-c12fa928d089'
const md5 = 'ac5d500ec64fa7dc287050c553b83f3a'
const name = 'file:/m.txt'

function messageOf(work: () => unknown): string {
  try {
    return `no error: ${JSON.stringify(work())}`
  } catch (error) {
    assert.ok(isScoreError(error, 'invalid-format', 'invalid-request'))
    return error.message
  }
}

suite('manifest: upload', (test) => {
  const song = `a25ae8b4-097d-11ea-b4b9-41f0d4c18919\t\t\n${id}\t/data/TEST-CA/controlled.bam\t${md5}\n`
  const row = { objectId: id, path: '/data/TEST-CA/controlled.bam', md5, line: 2 }

  for (const strict of [true, false]) {
    test(`the form that Song writes (strict ${strict})`, () => {
      assert.equal(parseUploadManifest(song, { name, strict }), [row])
      assert.equal(parseUploadManifest(song.replaceAll('\n', '\r\n'), { name, strict }), [row])
      assert.equal(parseUploadManifest(song.trimEnd(), { name, strict }), [row])
      assert.equal(parseUploadManifest(`h\t\t\n ${id} \t /x \t${md5} \n`, { name, strict }), [{ ...row, path: '/x' }])
      assert.equal(parseUploadManifest('', { name, strict }), [])
      assert.equal(parseUploadManifest('a\tb\tc\n', { name, strict }), [])
    })
  }

  for (const [what, text, message] of [
    ['two columns', `h\t\t\n${id}\tx\n`, `Could not read manifest from '${name}': Expected 3 columns found 2 for line '${id}\tx'`],
    ['a blank line', `h\t\t\n\n${id}\tx\ty\n`, `Could not read manifest from '${name}': Expected 3 columns found 1 for line ''`],
    ['a blank line at the end', `h\t\t\n\n`, `Could not read manifest from '${name}': Expected 3 columns found 1 for line ''`],
    ['a short first line', `h\n`, `Could not read manifest from '${name}': Expected 3 columns found 1 for line 'h'`],
  ] as const) {
    test(`strict: ${what}`, () =>
      assert.is(
        messageOf(() => parseUploadManifest(text, { name, strict: true })),
        message,
      ))
  }

  test('strict takes any text as an id, and empty cells', () => {
    assert.equal(parseUploadManifest('h\t\t\nnot-an-id\t\t\n', { name, strict: true }), [
      { objectId: 'not-an-id', path: '', md5: '', line: 2 },
    ])
  })

  for (const [what, text, part] of [
    ['an id that is none', `h\t\t\nnope\tx\t${md5}\n`, "line 2 has 'nope' where the object id should be"],
    ['no heading', `${id}\t/x\t${md5}\n`, 'the first line is a heading'],
    ['no file', `h\t\t\n${id}\t\t${md5}\n`, 'line 2 names no file'],
    ['four columns', `h\t\t\n${id}\t/x\t${md5}\tmore\n`, 'line 2 has 4 columns instead of 3'],
  ] as const) {
    test(`free: ${what}`, () =>
      assert.match(
        messageOf(() => parseUploadManifest(text, { name })),
        part,
      ))
  }

  test('free: headings in any order, blank lines, a mark of byte order', () => {
    const text = `\uFEFFFile md5sum\tFile name\tother\tFile UUID\n\n${md5}\t/x.bam\t?\t${id}\n\n`
    assert.equal(parseUploadManifest(text, { name }), [{ objectId: id, path: '/x.bam', md5, line: 3 }])
  })
})

suite('manifest: download', (test) => {
  const icgc =
    'repo_code\tfile_id\tobject_id\tfile_format\tfile_name\tfile_size\tmd5_sum\tindex_object_id\tdonor_id/donor_count\tproject_id/project_count\tstudy'
  const full = `collab\tFI1\t${id}\tBAM\ta.bam\t12\t${md5}\t${other}\tDO1\tP\tS`

  for (const strict of [true, false]) {
    test(`the portal's form (strict ${strict})`, () => {
      assert.equal(parseDownloadManifest(`${icgc}\n${full}\n`, { name, strict }), [
        { objectId: id, line: 2, indexObjectId: other, fileName: 'a.bam', format: 'BAM', size: 12, md5 },
      ])
      assert.equal(parseDownloadManifest(`${icgc}\n\t\t${other}\t\t\t\t\t\t\t\t\n`, { name, strict }), [{ objectId: other, line: 2 }])
    })
  }

  test('strict: another number of columns', () =>
    assert.is(
      messageOf(() => parseDownloadManifest('a\tb\n', { name, strict: true })),
      `Could not read manifest from '${name}': Expected 11 columns found 2 for line 'a\tb'`,
    ))

  test('free: the portal that puts object_id second, with a column of analysis ids third', () => {
    const heading =
      'repositories.code\tobject_id\tanalysis.analysis_id\tstudy_id\tfile_type\tfile.name\tfile.size\tfile.md5sum\tfile.index_file.object_id\tdonors.donor_id\tsample'
    const line = `c\t${id}\t${other}\tS\tBAM\ta.bam\t12\t${md5}\t\tD\tX`
    const [row] = parseDownloadManifest(`${heading}\n${line}\n`, { name })
    assert.is(row?.objectId, id)
    assert.is(row?.md5, md5)
  })

  test('free: three columns with a heading that is known, and the fallback to the third of eleven', () => {
    assert.equal(parseDownloadManifest(`File UUID\tFile name\tx\n${id}\ta.bam\t\n`, { name }), [
      { objectId: id, line: 2, fileName: 'a.bam' },
    ])
    const unknown = Array.from({ length: 11 }, (_, at) => `c${at}`).join('\t')
    assert.is(parseDownloadManifest(`${unknown}\n${full}\n`, { name })[0]?.objectId, id)
  })

  for (const [what, text, part] of [
    ['columns without a known heading', `a\tb\n${id}\tx\n`, 'line 1 has 2 columns instead of 11'],
    ['no heading line', `${full}\n`, 'the first line is a heading'],
    ['an id that is none', `object_id\nxyz\n`, "line 2 has 'xyz'"],
  ] as const) {
    test(`free: ${what}`, () =>
      assert.match(
        messageOf(() => parseDownloadManifest(text, { name })),
        part,
      ))
  }
})

suite('manifest: where it is', (test) => {
  test('told by the text alone', () => {
    assert.equal(manifestResource('https://x/y'), { kind: 'url', url: 'https://x/y' })
    assert.equal(manifestResource(id), { kind: 'id', id })
    assert.equal(manifestResource('m.txt'), { kind: 'path', path: 'm.txt' })
  })

  test('a missing file, in the words of the original', async () => {
    const error = await readManifest({ kind: 'path', path: '/foo-not-there' }).then(String, (reason: Error) => reason)
    assert.is((error as Error).message, "Could not read manifest from 'file:/foo-not-there': /foo-not-there (No such file or directory)")
  })

  test('a file relative to the folder given; an id at its portal; an address with its query hidden in messages', async () => {
    const cwd = await mkdtemp(join(tmpdir(), 'score-manifest-'))
    try {
      await writeFile(join(cwd, 'm.txt'), 'text')
      assert.equal(await readManifest({ kind: 'path', path: 'm.txt' }, { cwd }), { name: `file:${join(cwd, 'm.txt')}`, text: 'text' })
    } finally {
      await rm(cwd, { recursive: true })
    }
    const asked: string[] = []
    const fake = (async (input: Request | string | URL) => {
      asked.push(input instanceof Request ? input.url : String(input))
      return asked.length < 3 ? new Response('a\tb') : new Response('', { status: 404 })
    }) as typeof fetch
    const portal = await readManifest({ kind: 'id', id }, { portalUrl: 'https://p.example/', fetch: fake })
    assert.is(portal.text, 'a\tb')
    await readManifest({ kind: 'url', url: 'https://h.example/m.tsv?X-Amz-Signature=a%2Fb+c' }, { fetch: fake })
    assert.equal(asked, [`https://p.example/api/v1/manifests/${id}`, 'https://h.example/m.tsv?X-Amz-Signature=a%2Fb+c'])
    const error = await readManifest({ kind: 'url', url: 'https://h.example/m?sig=secret' }, { fetch: fake }).then(
      String,
      (reason: Error) => reason.message,
    )
    assert.match(error, "Could not read manifest from 'https://h.example/m?…'")
    assert.not.match(error, 'secret')
    assert.match(await readManifest({ kind: 'id', id }).then(String, (reason: Error) => reason.message), 'portal.url')
  })
})

suite('target name', (test) => {
  for (const good of ['a.bam', 'ä b.bam', '.hidden', 'a..b', 'x'.repeat(255)]) {
    test(`fine: ${good.slice(0, 12)}`, () => assert.is(safeFileName(good, 'object x'), good))
  }
  for (const bad of [
    '',
    '.',
    '..',
    '../a',
    '/etc/passwd',
    'a/b',
    'a\\b',
    'a\0b',
    'a\nb',
    'CON',
    'nul.txt',
    `.${id}`,
    `.${id}.partial`,
    'x'.repeat(256),
    'ä'.repeat(128),
  ]) {
    test(`refused: ${JSON.stringify(bad).slice(0, 20)}`, () => {
      const message = messageOf(() => safeFileName(bad, `object ${id}`))
      assert.match(message, id)
      assert.match(message, JSON.stringify(bad).slice(0, 200))
    })
  }
})
