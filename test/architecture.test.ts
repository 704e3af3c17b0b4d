import { readdirSync, readFileSync } from 'node:fs'
import { join, sep } from 'node:path'
import * as assert from 'uvu/assert'
import { checkHouse, checkTests, type HousePlan, type Room, roomOf } from './support/architecture.ts'
import { suite } from './support/suite.ts'

const rooms = {
  core: { rooms: [], packages: ['p-limit'] },
  files: { rooms: ['core'] },
  http: { rooms: ['core'], packages: ['ky', 'undici', 'https-proxy-agent'] },
  hash: { rooms: ['core'] },
  bytes: { rooms: ['core', 'http', 'files'] },
  storage: {
    rooms: ['core', 'files', 'http'],
    packages: ['@aws-sdk/client-s3', '@azure/storage-blob', 'http-proxy-agent', 'https-proxy-agent'],
  },
  metadata: { rooms: ['core', 'http', 'files'], packages: ['ajv', 'p-limit'] },
  auth: { rooms: ['core', 'http', 'metadata'], packages: ['jose', 'openid-client'] },
  api: { rooms: ['core'] },
  wire: { rooms: ['core', 'api', 'metadata'] },
  formats: { rooms: ['core', 'bytes'], packages: ['p-limit', '@gmod/cram'] },
  slice: { rooms: ['core', 'bytes', 'formats'] },
  // The `.meta` documents in the store are the wire's specs, so they are written by the same code.
  objects: { rooms: ['core', 'api', 'storage', 'metadata', 'auth', 'wire'] },
  client: { rooms: ['core', 'http', 'api', 'wire'] },
  transfer: { rooms: ['core', 'http', 'bytes', 'files', 'hash', 'api', 'metadata'] },
  mount: { rooms: ['core', 'bytes', 'api', 'metadata'] },
} as const

const inner = Object.keys(rooms)

const plan: HousePlan = {
  rooms: {
    ...rooms,
    compose: { rooms: inner, packages: ['yaml', '@azure/identity'] },
    index: { rooms: [...inner, 'compose'] },
    testing: { rooms: inner },
    s3: { rooms: ['storage'] },
    azure: { rooms: ['storage'] },
    'adapters/server': { rooms: ['index'], packages: ['koa', '@koa/router', 'koa2-swagger-ui', 'pino', 'prom-client'] },
    'adapters/cli': { rooms: ['index', 'adapters/server', 'adapters/fuse'], packages: ['clipanion', 'typanion', 'yaml'] },
    'adapters/fuse': { rooms: ['index'] },
  },
  testFolders: ['support', 'fixtures', 'contract', 'types', 'examples', 'bench', 'compat', 'services', 'mount', 'slow'],
  wireNames: ['projectCode', 'gnosId', 'sourceMd5', 'objectMd5', 'partSize'],
  // Compared with times of files, and with an answer's Date, in threads that no function reaches.
  clockEdges: ['src/storage/local/object-record.ts', 'src/transfer/transport/', 'src/testing/'],
  wireEdges: ['src/wire/', 'src/metadata/', 'adapters/server/'],
}

const root = join(import.meta.dirname, '..')

function read(...folders: readonly string[]): Map<string, string> {
  const files = new Map<string, string>()
  for (const folder of folders) {
    for (const name of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })) {
      if (name.endsWith('.ts')) files.set(`${folder}/${name.split(sep).join('/')}`, readFileSync(join(root, folder, name), 'utf8'))
    }
  }
  return files
}

/** Each breaks one rule; the second column is what the checker must say of it. */
const planted: readonly (readonly [path: string, text: string, says: string])[] = [
  ['src/bytes/bad.ts', `import { x } from '../objects/uploads.ts'`, 'bytes may not import src/objects/uploads.ts'],
  ['src/core/bad.ts', `import type { X } from '../api/score-api.ts'`, 'core may not import src/api/score-api.ts'],
  ['src/api/bad.ts', `export { x } from '../storage/x.ts'`, 'api may not import src/storage/x.ts'],
  ['src/transfer/bad.ts', `const x = await import('../objects/x.ts')`, 'transfer may not import src/objects/x.ts'],
  ['src/client/bad.ts', `type X = import('../objects/x.ts').X`, 'client may not import src/objects/x.ts'],
  ['src/http/bad.ts', `const x = new URL('../transfer/worker.ts', import.meta.url)`, 'http may not import src/transfer/worker.ts'],
  ['src/storage/bad.ts', `import Koa from 'koa'`, 'storage may not import the package koa'],
  ['src/wire/bad.ts', `import { x } from '@koa/router/sub'`, 'wire may not import the package @koa/router'],
  ['adapters/cli/bad.ts', `import { x } from '../../src/core/errors.ts'`, 'adapters/cli may not import src/core/errors.ts'],
  ['adapters/server/bad.ts', `import { x } from '../cli/score.ts'`, 'adapters/server may not import adapters/cli/score.ts'],
  ['src/files/bad.ts', `import { x } from './other'`, '"./other" does not end in .ts'],
  ['src/attic/bad.ts', 'export const x = 1', 'the room "attic" is not in the plan'],
  ['src/core/any.ts', 'export const x = (y: any) => y', 'uses any'],
  ['src/core/loud.ts', `console.log('hello')`, 'writes to console.log'],
  ['src/core/stdout.ts', `process.stdout.write('hello')`, 'writes to process.stdout'],
  ['src/core/clock.ts', 'export const now = () => Date.now()', 'calls Date.now() instead of taking it as an option'],
  ['src/core/later.ts', '// TODO', 'contains TODO'],
  ['src/core/hushed.ts', '// @ts-ignore', 'contains @ts-ignore'],
  ['src/core/classy.ts', 'export class Pool {}', 'declares the class Pool'],
  ['src/core/listed.ts', 'export enum Colour { red }', 'declares an enum'],
  ['src/objects/wired.ts', 'export const x = (y: { sourceMd5: string }) => y.sourceMd5', `knows the wire's name sourceMd5`],
  ['src/index.ts', `export * from './core/errors.ts'`, 'exports * instead of names'],
  ['src/core/CamelCase.ts', 'export const x = 1', 'is not named in kebab-case'],
]

suite('architecture', (test) => {
  const files = read('src', 'adapters')

  test('the house is in order', () => {
    assert.equal([...checkHouse(files, plan)], [])
  })

  test('every room of the plan was seen', () => {
    const seen = new Set([...files.keys()].map(roomOf))
    assert.equal(
      Object.keys(plan.rooms).filter((room) => !seen.has(room)),
      [],
    )
    assert.ok(files.size > 60, `${files.size} files`)
  })

  test('docs/architecture.md tells of the same rooms and the same imports', () => {
    const rows = readFileSync(join(root, 'docs', 'architecture.md'), 'utf8').matchAll(/^\| `([a-z]+)` \|[^|]+\|([^|]+)\|$/gm)
    const told = Object.fromEntries([...rows].map(([, room = '', imports = '']) => [room, imports.trim()]))
    const planned = Object.entries<Room>({ ...rooms, compose: plan.rooms['compose'] as Room }).map(([room, may]) => {
      return [room, [...may.rooms, ...(may.packages ?? []).map((name) => `*${name}*`)].join(', ')]
    })
    assert.equal(told, Object.fromEntries(planned))
  })

  test('tests mirror the rooms and use the guarded suite', () => {
    const tests = read('test')
    assert.ok(tests.size > 20, `${tests.size} files`)
    assert.equal([...checkTests(tests, plan)], [])
  })

  const told = checkHouse(new Map([...files, ...planted.map(([path, text]) => [path, text] as const)]), plan)
  for (const [path, , says] of planted) {
    test(`planted: ${says}`, () => {
      assert.equal(
        told.filter((line) => line.startsWith(`${path}: `)),
        [`${path}: ${says}`],
      )
    })
  }

  test('planted: a cycle of types only', () => {
    const cycle = new Map([
      ['src/core/a.ts', `import type { B } from './b.ts'\nexport type A = B`],
      ['src/core/b.ts', `import type { A } from './a.ts'\nexport type B = A`],
    ])
    assert.equal([...checkHouse(cycle, plan)], ['cycle: src/core/a.ts -> src/core/b.ts -> src/core/a.ts'])
  })

  test('planted: tests in the wrong place, or without the guard', () => {
    const tests = new Map([
      ['test/attic/x.test.ts', ''],
      ['test/core/x.test.ts', `import { test } from 'uvu'`],
      ['test/core/y.test.ts', `import * as assert from 'uvu/assert'`],
    ])
    assert.equal(
      [...checkTests(tests, plan)],
      ['test/attic/x.test.ts: mirrors no room', 'test/core/x.test.ts: uses uvu without the guard of test/support/suite.ts'],
    )
  })
})
