import * as assert from 'uvu/assert'
import { isScoreError, type ProblemCode, ScoreError } from '../../src/core/errors.ts'
import { createFileTree, type FileTree } from '../../src/mount/file-tree.ts'
import type { TreeLayout } from '../../src/mount/tree-layout.ts'
import type { ObjectSelection } from '../../src/mount/tree-objects.ts'
import { suite } from '../support/suite.ts'
import { everything, idOf, type Stored, servicesDouble, treeOf } from './tree-double.ts'

function namesAt(tree: FileTree, path: string): readonly string[] {
  const node = tree.lookup(path)
  return node.kind === 'folder' ? node.names : [`(file ${node.object.objectId})`]
}

/** The id of the file at a path, or the code of the failure. */
function at(tree: FileTree, path: string): string {
  try {
    const node = tree.lookup(path)
    return node.kind === 'file' ? node.object.objectId : 'folder'
  } catch (error) {
    return isScoreError(error) ? error.code : String(error)
  }
}

async function codeOf(work: Promise<unknown>): Promise<ProblemCode | undefined> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  return isScoreError(error) ? error.code : undefined
}

const sample: readonly Stored[] = [
  { objectId: idOf(1), fileName: 'a.bam', size: 100, analysisId: 'A1' },
  { objectId: idOf(2), fileName: 'a.bam.bai', size: 10, analysisId: 'A1' },
  { objectId: idOf(3), fileName: 'b.cram', size: 0, analysisId: 'A2' },
  { objectId: idOf(4), fileName: 'b.crai', size: 7, analysisId: 'A2' },
  { objectId: idOf(5), fileName: 'v.vcf.gz', size: 5, analysisId: 'A2', study: 'S2' },
  { objectId: idOf(6), fileName: 'v.vcf.gz.tbi', size: 5, analysisId: 'A2', study: 'S2' },
]

suite('mount/file-tree', (test) => {
  test('bundle: a folder for each analysis, names in order', async () => {
    const tree = await treeOf(sample)
    assert.equal(namesAt(tree, '/'), ['A1', 'A2'])
    assert.equal(namesAt(tree, '/A2'), ['b.crai', 'b.cram', 'v.vcf.gz', 'v.vcf.gz.tbi'])
    const { objects, bytes, leftOut, renamed } = tree.report()
    assert.equal([objects, bytes, leftOut.length, renamed.length], [6, 127, 0, 0])
  })

  const found: readonly (readonly [layout: TreeLayout, path: string, what: string])[] = [
    ['bundle', '/', 'folder'],
    ['bundle', '', 'folder'],
    ['bundle', '/A1/', 'folder'],
    ['bundle', '/A1/a.bam', idOf(1)],
    ['bundle', '/A1/a.bam.bai', idOf(2)],
    ['bundle', '/A1/a.bai', idOf(2)],
    ['bundle', '/A2/b.cram.crai', idOf(4)],
    ['bundle', '/A2/b.crai', idOf(4)],
    ['bundle', '/A1/a.bam.csi', 'path-not-found'],
    ['bundle', '/A1/b.cram.crai', 'path-not-found'],
    ['bundle', '/A1/.bai', 'path-not-found'],
    ['bundle', '/A3', 'path-not-found'],
    ['bundle', '/A3/a.bam', 'path-not-found'],
    ['bundle', '/A1/A.BAM', 'path-not-found'],
    ['bundle', '/A1/a.bam/x', 'not-a-folder'],
    ['bundle', '/.by-id', 'folder'],
    ['bundle', `/.by-id/${idOf(3)}`, idOf(3)],
    ['bundle', `/.by-id/${idOf(1)}.bai`, idOf(2)],
    ['bundle', '/constructor', 'path-not-found'],
    ['bundle', '/A1/__proto__', 'path-not-found'],
    ['object-id', `/${idOf(1)}`, idOf(1)],
    ['object-id', `/${idOf(1)}.bai`, idOf(2)],
    ['object-id', `/${idOf(3)}.crai`, idOf(4)],
    ['object-id', `/${idOf(5)}.tbi`, idOf(6)],
    ['object-id', `/${idOf(1)}.csi`, 'path-not-found'],
    ['object-id', `/${idOf(1)}.crai`, 'path-not-found'],
    ['object-id', `/${idOf(2)}.bai`, 'path-not-found'],
    ['object-id', `/${idOf(9)}`, 'path-not-found'],
    ['object-id', `/${idOf(9)}.bai`, 'path-not-found'],
    ['object-id', `/${idOf(1)}.toString`, 'path-not-found'],
    ['object-id', `/${idOf(1)}/x`, 'not-a-folder'],
  ]
  for (const [layout, path, what] of found)
    test(`${layout}: ${path} is ${what}`, async () => assert.is(at(await treeOf(sample, { layout }), path), what))

  test('object-id: index names are not listed', async () => {
    const tree = await treeOf(sample, { layout: 'object-id' })
    assert.equal(namesAt(tree, '/'), [1, 2, 3, 4, 5, 6].map(idOf))
  })

  test('an index of another analysis stands for nothing', async () => {
    const apart = [sample[0] as Stored, { ...(sample[1] as Stored), analysisId: 'A9' }]
    assert.is(at(await treeOf(apart, { layout: 'object-id' }), `/${idOf(1)}.bai`), 'path-not-found')
    assert.is(at(await treeOf(apart), '/A1/a.bai'), 'path-not-found')
  })

  const selections: readonly (readonly [what: string, selection: ObjectSelection, ids: readonly number[], calls: readonly string[]])[] = [
    ['everything', everything, [1, 2, 3, 4, 5, 6], ['listObjects', 'entities {}']],
    ['a study', { kind: 'study', study: 'S2' }, [5, 6], ['listObjects', 'entities {"study":"S2"}']],
    [
      'an analysis',
      { kind: 'analysis', analysisId: 'A1' },
      [1, 2],
      ['entities {"analysisId":"A1"}', `describe ${idOf(1)}`, `describe ${idOf(2)}`],
    ],
    ['ids, each once', { kind: 'objects', objectIds: [idOf(4), idOf(4)] }, [4], [`entity ${idOf(4)}`, `describe ${idOf(4)}`]],
  ]
  for (const [what, selection, ids, calls] of selections) {
    test(`${what}: only what is needed is asked for`, async () => {
      const services = servicesDouble(sample)
      const tree = await createFileTree(services, { selection, layout: 'object-id', concurrency: 1 })
      assert.equal(namesAt(tree, '/'), ids.map(idOf))
      assert.equal(services.calls, calls)
    })
  }

  const denied = new ScoreError('access-denied', 'not yours')
  const lacking: readonly Stored[] = [
    { objectId: idOf(1), fileName: 'a.bam', size: 1 },
    { objectId: idOf(2), fileName: 'gone.bam' },
    { objectId: idOf(3), fileName: 'secret.bam', size: 1, refused: denied },
  ]

  test('ids that cannot be shown are left out and told of', async () => {
    const selection = { kind: 'objects', objectIds: [3, 2, 1, 9].map(idOf) } as const
    const tree = await treeOf(lacking, { selection, layout: 'object-id' })
    assert.equal(namesAt(tree, '/'), [idOf(1)])
    assert.equal(
      tree.report().leftOut.map(({ objectId, code }) => [objectId, code]),
      [
        [idOf(2), 'object-not-found'],
        [idOf(3), 'access-denied'],
        [idOf(9), 'entity-not-found'],
      ],
    )
  })

  test('entities without stored bytes are left out of a listing', async () => {
    const { leftOut } = (await treeOf(lacking)).report()
    assert.equal(
      leftOut.map(({ objectId, code }) => [objectId, code]),
      [[idOf(2), 'object-not-found']],
    )
  })

  const refused: readonly (readonly [what: string, selection: ObjectSelection, code: ProblemCode])[] = [
    ['an unknown study', { kind: 'study', study: 'NONE' }, 'entity-not-found'],
    ['an unknown analysis', { kind: 'analysis', analysisId: 'NONE' }, 'analysis-not-found'],
    ['forbidden ids only', { kind: 'objects', objectIds: [idOf(3)] }, 'access-denied'],
    ['unknown ids only', { kind: 'objects', objectIds: [idOf(9)] }, 'entity-not-found'],
    ['no ids', { kind: 'objects', objectIds: [] }, 'invalid-request'],
    ['an id that is none', { kind: 'objects', objectIds: [idOf(1), '../x'] }, 'invalid-request'],
  ]
  for (const [what, selection, code] of refused)
    test(`${what}: ${code}`, async () => assert.is(await codeOf(treeOf(lacking, { selection })), code))

  test('trouble of the services is no missing object', async () => {
    const down = { objectId: idOf(1), fileName: 'a', size: 1, refused: new ScoreError('unavailable', 'down') }
    assert.is(await codeOf(treeOf([down], { selection: { kind: 'objects', objectIds: [idOf(1)] } })), 'unavailable')
  })

  test('an empty store is an empty folder', async () => assert.equal(namesAt(await treeOf([]), '/'), []))

  const names: readonly (readonly [what: string, names: readonly string[], listed: readonly string[]])[] = [
    ['a slash', ['a/b.bam'], ['a%2Fb.bam']],
    ['the folder itself', ['.'], ['%2E']],
    ['the folder above', ['..'], ['%2E%2E']],
    ['a zero byte and a line feed', ['a\0b\n.bam'], ['a%00b%0A.bam']],
    ['half a pair', ['a\ud800.bam'], ['a%EF%BF%BD.bam']],
    ['nothing', [''], ['%']],
    ['what is fine', ['ä 漢🧬%.bam'], ['ä 漢🧬%.bam']],
    ['the same name twice', ['a.bam', 'a.bam'], ['a~00000000.bam', `a~${idOf(2)}.bam`]],
    ['two that become the same', ['a/b.vcf.gz', 'a%2Fb.vcf.gz'], ['a%2Fb~00000000.vcf.gz', `a%2Fb~${idOf(2)}.vcf.gz`]],
    ['a clash with a marked name', ['a.bam', 'a.bam', 'a~00000000.bam'], [`a~${idOf(1)}.bam`, `a~${idOf(2)}.bam`, 'a~00000000.bam']],
  ]
  for (const [what, given, listed] of names) {
    test(`names: ${what}`, async () => {
      const tree = await treeOf(given.map((fileName, index) => ({ objectId: idOf(index + 1), fileName, size: 1 })))
      assert.equal(namesAt(tree, '/A1'), [...listed].sort())
      const changed = given.filter((name) => !listed.includes(name) || given.filter((other) => other === name).length > 1)
      assert.is(tree.report().renamed.length, changed.length === 0 ? 0 : what.startsWith('two') ? 2 : changed.length)
      for (const name of listed) assert.not.equal(at(tree, `/A1/${name}`), 'path-not-found')
    })
  }

  test('names: 255 bytes are kept, 256 are cut without breaking a letter', async () => {
    const whole = `${'ä'.repeat(125)}x.bam`
    const long = `${'ä'.repeat(126)}.bam`
    const tree = await treeOf([whole, long].map((fileName, index) => ({ objectId: idOf(index), fileName, size: 1 })))
    const [first = '', second = ''] = namesAt(tree, '/A1')
    assert.equal([first, second].includes(whole), true)
    const cut = first === whole ? second : first
    assert.match(cut, /^ä+~[0-9a-f]{8}\.bam$/)
    assert.ok(Buffer.byteLength(cut) <= 255)
  })

  test('names of analyses that are unsafe, kept for the mount, or alike', async () => {
    const ids = ['.by-id', '..', 'x/y', 'x%2Fy']
    const tree = await treeOf(ids.map((analysisId, index) => ({ objectId: idOf(index), fileName: 'f', size: 1, analysisId })))
    assert.equal(namesAt(tree, '/'), ['%2E%2E', '%2Eby-id', 'x%2Fy', 'x%2Fy~2'])
    assert.is(at(tree, '/x%2Fy~2/f'), idOf(3))
    assert.is(tree.report().renamed.length, 4)
  })

  test('inodes stay, times are the newest below', async () => {
    const services = servicesDouble(sample.map((one, index) => ({ ...one, modified: new Date(1000 * (index + 1)) })))
    const tree = await createFileTree(services, { selection: everything })
    const inodes = ['/', '/A1', '/A1/a.bam', '/A2'].map((path) => tree.lookup(path).inode)
    assert.is(new Set(inodes).size, 4)
    const folder = tree.lookup('/A1')
    assert.equal(folder.kind === 'folder' && folder.modified, new Date(2000))
    services.objects = services.objects.slice(1)
    await tree.refresh()
    assert.is(at(tree, '/A1/a.bam'), 'path-not-found')
    services.objects = sample
    await tree.refresh()
    assert.equal(
      ['/', '/A1', '/A1/a.bam', '/A2'].map((path) => tree.lookup(path).inode),
      inodes,
    )
  })

  test('an object described by its spec has the time it was first seen, until its size changes', async () => {
    let clock = 1000
    const services = servicesDouble(sample)
    const tree = await createFileTree(services, { selection: { kind: 'analysis', analysisId: 'A1' }, now: () => clock })
    const modified = (): number => {
      const node = tree.lookup('/A1/a.bam')
      return node.kind === 'file' ? node.object.modified.getTime() : 0
    }
    clock = 5000
    await tree.refresh()
    assert.is(modified(), 1000)
    services.objects = sample.map((one) => ({ ...one, size: 99 }))
    await tree.refresh()
    assert.is(modified(), 5000)
  })

  test('a refresh that fails leaves the tree as it was', async () => {
    const services = servicesDouble(sample)
    const tree = await createFileTree(services, { selection: { kind: 'study', study: 'S2' } })
    services.objects = []
    assert.is(await codeOf(tree.refresh()), 'entity-not-found')
    assert.is(at(tree, '/A2/v.vcf.gz'), idOf(5))
  })

  test('refreshes at the same time are one', async () => {
    const services = servicesDouble(sample)
    const tree = await createFileTree(services, { selection: everything })
    services.calls.length = 0
    const [first, second] = await Promise.all([tree.refresh(), tree.refresh()])
    assert.is(first, second)
    assert.is(services.calls.length, 2)
  })

  test('100,000 objects: built in seconds, each found in no time', async () => {
    const many = Array.from({ length: 100_000 }, (_, index): Stored => {
      return { objectId: idOf(index), fileName: `f${index}.bam`, size: index, analysisId: `A${index % 1000}` }
    })
    // Time of the processor: this machine may have other things to do.
    const cpuMs = (since: NodeJS.CpuUsage): number => {
      const { user, system } = process.cpuUsage(since)
      return (user + system) / 1000
    }
    const begun = process.cpuUsage()
    const bundle = await treeOf(many)
    const flat = await treeOf(many, { layout: 'object-id' })
    const builtMs = cpuMs(begun)
    const built = process.cpuUsage()
    for (let index = 0; index < many.length; index += 1) {
      assert.ok(at(flat, `/${idOf(index)}`) === idOf(index))
      assert.ok(at(bundle, `/A${index % 1000}/f${index}.bam`) === idOf(index))
    }
    assert.is(namesAt(flat, '/').length, 100_000)
    assert.ok(builtMs < 10_000, `built in ${builtMs} ms`)
    // 200,000 look-ups; a walk over a folder of 100,000 for each would take minutes.
    assert.ok(cpuMs(built) < 5000, `found in ${cpuMs(built)} ms`)
  })
})
