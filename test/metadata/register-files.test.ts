import * as assert from 'uvu/assert'
import type { Analysis, AnalysisPayload, AnalysisRegistry, AnalysisType } from '../../src/metadata/analysis-registry.ts'
import { fileTypeOf } from '../../src/metadata/file-type.ts'
import { type LocalFile, registerFiles } from '../../src/metadata/register-files.ts'
import { formatUploadManifest } from '../../src/metadata/upload-manifest.ts'
import { suite } from '../support/suite.ts'
import { startCatalogueServer } from './catalogue-server.ts'
import { md5Of, rejects } from './submissions.ts'

const fileSet: AnalysisType = { name: 'fileSet', version: 1, fileTypes: [], required: ['studyId', 'analysisType', 'files'] }
const full: AnalysisType = {
  name: 'sequencingRead',
  version: 3,
  fileTypes: [],
  required: ['studyId', 'analysisType', 'files', 'samples', 'experiment'],
}

/** A registry that remembers what it was sent. */
function registryOf(types: readonly AnalysisType[], waiting: readonly Analysis[] = []) {
  const submitted: { readonly study: string; readonly payload: AnalysisPayload; readonly allowDuplicates: boolean | undefined }[] = []
  const studies: string[] = []
  const unused = (): never => {
    throw new Error('not expected')
  }
  const registry: AnalysisRegistry = {
    ensureStudy: async (study) => void studies.push(study),
    async submit(study, payload, options) {
      submitted.push({ study, payload, allowDuplicates: options?.allowDuplicates })
      return { analysisId: 'new' }
    },
    async files() {
      const files = submitted.at(-1)?.payload['files'] as readonly Record<string, string>[]
      return [...files].reverse().map((file, n) => ({
        objectId: `o${n}`,
        fileName: file['fileName'] as string,
        size: Number(file['fileSize']),
        md5: file['fileMd5sum'] as string,
        access: file['fileAccess'] as string,
        type: file['fileType'] as string,
      }))
    },
    analyses: async (_study, state) => waiting.filter((analysis) => analysis.state === state),
    analysisTypes: async () => types,
    analysis: unused,
    publish: unused,
    unpublish: unused,
    suppress: unused,
    studyOf: unused,
  }
  return { registry, submitted, studies }
}

const bam: LocalFile = { path: '/data/a.bam', size: 10, md5: md5Of(1) }
const bai: LocalFile = { path: '/data/a.bam.bai', size: 5, md5: md5Of(2).toUpperCase() }

suite('registering files', (test) => {
  test('makes the study, submits names, sizes and MD5s, answers in the order asked', async () => {
    const { registry, submitted, studies } = registryOf([full, fileSet])
    const registration = await registerFiles({ registry, study: 'S', files: [bam, bai] })
    assert.equal(studies, ['S'])
    const common = { fileAccess: 'controlled' }
    assert.equal(submitted, [
      {
        study: 'S',
        allowDuplicates: false,
        payload: {
          studyId: 'S',
          analysisType: { name: 'fileSet' },
          files: [
            { ...common, fileName: 'a.bam', fileSize: 10, fileMd5sum: md5Of(1), fileType: 'BAM', dataType: 'Aligned Reads' },
            { ...common, fileName: 'a.bam.bai', fileSize: 5, fileMd5sum: md5Of(2), fileType: 'BAI', dataType: 'Aligned Reads Index' },
          ],
        },
      },
    ])
    assert.is(registration.continued, false)
    assert.equal(
      registration.files.map((file) => [file.path, file.fileName, file.objectId]),
      [
        ['/data/a.bam', 'a.bam', 'o1'],
        ['/data/a.bam.bai', 'a.bam.bai', 'o0'],
      ],
    )
  })

  test('open access and duplicates only when told', async () => {
    const { registry, submitted } = registryOf([fileSet])
    await registerFiles({ registry, study: 'S', files: [bam], access: 'open', allowDuplicates: true })
    assert.is(submitted[0]?.allowDuplicates, true)
    const [entry] = (submitted[0] as (typeof submitted)[0]).payload['files'] as readonly Record<string, string>[]
    assert.is(entry?.['fileAccess'], 'open')
  })

  const asRegistered = (file: LocalFile, name: string) => ({
    objectId: `id-${name}`,
    fileName: name,
    size: file.size,
    md5: file.md5.toLowerCase(),
    access: 'open',
    type: '',
  })
  const analysisOf = (analysisId: string, files: Analysis['files']): Analysis => ({
    analysisId,
    study: 'S',
    state: 'UNPUBLISHED',
    type: 'fileSet',
    files,
  })

  test('what is published already is found only when that will do', async () => {
    const published: Analysis = { ...analysisOf('done', [asRegistered(bam, 'a.bam')]), state: 'PUBLISHED' }
    const { registry, submitted } = registryOf([fileSet], [published])
    const accepted = await registerFiles({ registry, study: 'S', files: [bam], acceptPublished: true })
    assert.equal([accepted.analysisId, accepted.published, submitted.length], ['done', true, 0])
    const anew = await registerFiles({ registry, study: 'S', files: [bam] })
    assert.equal([anew.published, anew.continued, submitted.length], [false, false, 1])
  })

  test('continues the unpublished analysis with the same names and MD5s, whatever its type', async () => {
    const waiting = [
      analysisOf('less', [asRegistered(bam, 'a.bam')]),
      analysisOf('renamed', [asRegistered(bam, 'b.bam'), asRegistered(bai, 'a.bam.bai')]),
      analysisOf('other content', [asRegistered({ ...bam, md5: md5Of(9) }, 'a.bam'), asRegistered(bai, 'a.bam.bai')]),
      analysisOf('same', [asRegistered(bai, 'a.bam.bai'), asRegistered(bam, 'a.bam')]),
    ]
    const { registry, submitted } = registryOf([], waiting)
    const registration = await registerFiles({ registry, study: 'S', files: [bam, bai] })
    assert.equal([registration.analysisId, registration.continued, submitted.length], ['same', true, 0])
    assert.equal(
      registration.files.map((file) => file.objectId),
      ['id-a.bam', 'id-a.bam.bai'],
    )
  })

  const refusals: readonly [
    what: string,
    types: readonly AnalysisType[],
    request: Partial<Parameters<typeof registerFiles>[0]>,
    text: RegExp,
  ][] = [
    ['no file', [fileSet], { files: [] }, /no file to register/],
    [
      'a name with blank and plus',
      [fileSet],
      { files: [{ ...bam, path: '/data/a b+.bam' }] },
      /'a b\+\.bam' cannot be registered \(' ' '\+'\).*rename the file/,
    ],
    [
      'one name twice',
      [fileSet],
      { files: [bam, { ...bai, path: '/other/a.bam' }] },
      /'\/data\/a\.bam' and '\/other\/a\.bam' have the same name/,
    ],
    ['an empty file', [fileSet], { files: [{ ...bam, size: 0 }] }, /'\/data\/a\.bam' is empty/],
    ['an MD5 that is none', [fileSet], { files: [{ ...bam, md5: 'abc' }] }, /'abc' is not the MD5/],
    [
      'types that need more',
      [full],
      {},
      /needs more than files \(sequencingRead: samples, experiment\).*--payload.*nothing was registered/,
    ],
    ['no types at all', [], {}, /it has none.*--payload/],
    [
      'several that would do',
      [
        { ...fileSet, name: 'x' },
        { ...fileSet, name: 'y' },
      ],
      {},
      /several.*x, y.*--analysis-type/,
    ],
    [
      'a named type that needs more',
      [full, fileSet],
      { analysisType: 'sequencingRead' },
      /'sequencingRead' needs more than files \(samples, experiment\)/,
    ],
    ['a type that is not there', [fileSet], { analysisType: 'nope' }, /no analysis type 'nope'; it has: fileSet/],
    ['a file type that is not taken', [{ ...fileSet, fileTypes: ['VCF'] }], {}, /'\/data\/a\.bam' is of type BAM.*takes VCF/],
    ['a payload of another study', [full], { payload: { studyId: 'T' } }, /for study 'T', not 'S'/],
    ['a payload with an id', [full], { payload: { analysisId: 'x' } }, /analysisId/],
    ['a payload of more files', [full], { payload: { files: [{}, {}, {}] } }, /3 file entries, and 2 files/],
    [
      'a payload that names a stranger',
      [full],
      { payload: { files: [{ fileName: 'a.bam' }, { fileName: 'c.bai' }] } },
      /names 'c\.bai', which is not among the files \(a\.bam, a\.bam\.bai\)/,
    ],
    ['a payload that names one twice', [full], { payload: { files: [{ fileName: 'a.bam' }, { fileName: 'a.bam' }] } }, /same file/],
    ['a payload with a list of texts', [full], { payload: { files: ['a.bam', 'b'] } }, /entry 1 is not an object/],
    ['a payload with files as text', [full], { payload: { files: 'a.bam' } }, /not an array/],
  ]
  for (const [what, types, request, text] of refusals)
    test(`refuses ${what}, before anything is sent`, async () => {
      const { registry, submitted, studies } = registryOf(types)
      await rejects(registerFiles({ registry, study: 'S', files: [bam, bai], ...request }), 'invalid-request', undefined, text)
      assert.equal([submitted, studies], [[], []])
    })

  const fills: readonly [what: string, files: readonly object[] | undefined, names: readonly string[]][] = [
    [
      'by name',
      [
        { fileName: 'a.bam.bai', lane: 2 },
        { fileName: 'a.bam', lane: 1 },
      ],
      ['a.bam.bai 2 5', 'a.bam 1 10'],
    ],
    ['by order without names', [{ lane: 1 }, { lane: 2, fileName: '' }], ['a.bam 1 10', 'a.bam.bai 2 5']],
    [
      'by order in a template',
      [
        { lane: 1, fileName: 'X.bam' },
        { lane: 2, fileName: 'X.bai' },
      ],
      ['a.bam 1 10', 'a.bam.bai 2 5'],
    ],
    ['the named one first, the other by what is left', [{ lane: 1 }, { lane: 2, fileName: 'a.bam' }], ['a.bam.bai 1 5', 'a.bam 2 10']],
    ['with none', undefined, ['a.bam undefined 10', 'a.bam.bai undefined 5']],
  ]
  for (const [what, files, expected] of fills)
    test(`fills the entries of a payload ${what}`, async () => {
      const { registry, submitted } = registryOf([])
      const payload = { analysisType: { name: 'site' }, samples: [1], ...(files ? { files } : {}) }
      await registerFiles({ registry, study: 'S', files: [bam, bai], payload })
      const sent = submitted[0]?.payload as Record<string, unknown>
      assert.equal([sent['studyId'], sent['analysisType'], sent['samples']], ['S', { name: 'site' }, [1]])
      const entries = sent['files'] as readonly Record<string, unknown>[]
      assert.equal(
        entries.map((entry) => `${entry['fileName']} ${entry['lane']} ${entry['fileSize']}`),
        expected,
      )
    })

  test('adds type and access to a payload only where it has none', async () => {
    const { registry, submitted } = registryOf([])
    const payload = { files: [{ fileType: 'XYZ', fileAccess: 'open', dataType: 'd', fileMd5sum: 'old', fileSize: 0 }] }
    await registerFiles({ registry, study: 'S', files: [bam], payload })
    const entry = { fileName: 'a.bam', fileSize: 10, fileMd5sum: md5Of(1), fileType: 'XYZ', fileAccess: 'open', dataType: 'd' }
    assert.equal(submitted[0]?.payload['files'], [entry])
  })

  test('registers in the embedded catalogue, and goes on when run again', async () => {
    const server = await startCatalogueServer()
    try {
      const registry = server.catalogue
      const first = await registerFiles({ registry, study: 'S', files: [bam, bai] })
      const second = await registerFiles({ registry, study: 'S', files: [bam, bai] })
      assert.equal([second.analysisId, second.files, second.continued], [first.analysisId, first.files, true])
      for (const file of first.files) server.stored.set(file.objectId, { exists: true, size: file.size, md5: file.md5 })
      await registry.publish('S', first.analysisId)
      await rejects(registerFiles({ registry, study: 'S', files: [bam, bai] }), 'catalogue-conflict', 'info.already.exists')
    } finally {
      await server.close()
    }
  })

  test('knows file types by their names', () => {
    const names = [
      'a.bam',
      'A.BAM',
      'a.bam.bai',
      'a.cram',
      'a.crai',
      'a.vcf',
      'a.vcf.gz',
      'a.vcf.gz.tbi',
      'a.idx',
      'a.fastq.gz',
      'a.tgz',
      'a.xyz',
      'README',
      '.bam',
    ]
    assert.equal(names.map(fileTypeOf), [
      'BAM',
      'BAM',
      'BAI',
      'CRAM',
      'CRAI',
      'VCF',
      'VCF',
      'TBI',
      'IDX',
      'FASTQ',
      'TGZ',
      'XYZ',
      'DATA',
      'BAM',
    ])
  })
})

suite('upload manifest', (test) => {
  test('has the analysis first, three columns, and no blank line', () => {
    const entries = [
      { objectId: 'o1', path: '/seq/out/HG7731.tumour.bam', md5: md5Of(1) },
      { objectId: 'o2', path: '/seq/out/with blank.bai', md5: md5Of(2) },
    ]
    assert.is(
      formatUploadManifest('7c1f0e9a', entries),
      `7c1f0e9a\t\t\no1\t/seq/out/HG7731.tumour.bam\t${md5Of(1)}\no2\t/seq/out/with blank.bai\t${md5Of(2)}\n`,
    )
  })

  test('refuses a path that the format cannot carry', () => {
    for (const path of ['/a\tb', '/a\nb', '/a\rb'])
      assert.throws(() => formatUploadManifest('a', [{ objectId: 'o', path, md5: '' }]), /rename/)
  })
})
