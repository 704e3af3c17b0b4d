import * as assert from 'uvu/assert'
import type { FileStat } from '../../../adapters/fuse/file-stat.ts'
import { agreeWith } from '../../../adapters/fuse/kernel-agreement.ts'
import {
  encodeAbsence,
  encodeAgreement,
  encodeAttributes,
  encodeEntry,
  encodeHeader,
  encodeListing,
  encodeOpened,
  encodeStatus,
  encodeWake,
} from '../../../adapters/fuse/kernel-answers.ts'
import { decodeHeader, decodeQuestion, type KernelQuestion } from '../../../adapters/fuse/kernel-requests.ts'
import { suite } from '../../support/suite.ts'
import { bytesOf, question } from './kernel-bytes.ts'

const stat: FileStat = {
  mode: 0o100440,
  uid: 1000,
  gid: 1001,
  size: 5 * 2 ** 40 + 7,
  nlink: 1,
  ino: 9,
  blksize: 1_048_576,
  blocks: 2 ** 33 + 1,
  atime: 1_706_531_415_250,
  mtime: 1_706_531_415_250,
  ctime: 1_706_531_415_250,
}
/** struct fuse_attr, member by member. */
const attributes = [
  ['u64', 9],
  ['u64', 5 * 2 ** 40 + 7],
  ['u64', 2 ** 33 + 1],
  ...[1, 2, 3].map(() => ['u64', 1_706_531_415] as const),
  ...[1, 2, 3].map(() => ['u32', 250_000_000] as const),
  ['u32', 0o100440],
  ['u32', 1],
  ['u32', 1000],
  ['u32', 1001],
  ['u32', 0],
  ['u32', 1_048_576],
  ['u32', 0],
] as const

suite('adapters/fuse/kernel-requests, kernel-answers', (test) => {
  const asked: readonly (readonly [what: string, opcode: number, body: Parameters<typeof bytesOf>[0], says: KernelQuestion])[] = [
    ['a look-up', 1, [['text', 'ö.bam\0']], { kind: 'lookup', name: 'ö.bam' }],
    ['a name of no alphabet', 1, [['u32', 0x00fffefd]], { kind: 'lookup', name: undefined }],
    ['forget', 2, [['u64', 3]], { kind: 'forget', nodes: [{ node: 2 ** 32 + 5, lookups: 3 }] }],
    [
      'attributes by node',
      3,
      [
        ['u32', 0],
        ['u32', 0],
        ['u64', 4],
      ],
      { kind: 'getattr', handle: undefined },
    ],
    [
      'attributes by handle',
      3,
      [
        ['u32', 1],
        ['u32', 0],
        ['u64', 4],
      ],
      { kind: 'getattr', handle: 4 },
    ],
    [
      'open',
      14,
      [
        ['u32', 0x8002],
        ['u32', 0],
      ],
      { kind: 'open', flags: 0x8002 },
    ],
    [
      'read, far away',
      15,
      [
        ['u64', 7],
        ['u64', 2 ** 41 + 1],
        ['u32', 1_048_576],
        ['u32', 0],
        ['u64', 0],
        ['u32', 0],
        ['u32', 0],
      ],
      { kind: 'read', handle: 7, offset: 2 ** 41 + 1, size: 1_048_576 },
    ],
    [
      'release',
      18,
      [
        ['u64', 7],
        ['u32', 0],
        ['u32', 0],
        ['u64', 0],
      ],
      { kind: 'release', handle: 7 },
    ],
    [
      'the first request, with what later kernels add',
      26,
      [
        ['u32', 7],
        ['u32', 45],
        ['u32', 131_072],
        ['u32', 0x73ffffff],
        ['u32', 1],
        ...Array.from({ length: 11 }, () => ['u32', 0] as const),
      ],
      { kind: 'init', major: 7, minor: 45, readAheadBytes: 131_072, flags: 0x73ffffff },
    ],
    [
      'opening a folder',
      27,
      [
        ['u32', 0],
        ['u32', 0],
      ],
      { kind: 'open-folder' },
    ],
    [
      'a listing',
      28,
      [
        ['u64', 2],
        ['u64', 12],
        ['u32', 4096],
        ['u32', 0],
        ['u64', 0],
        ['u32', 0],
        ['u32', 0],
      ],
      { kind: 'list', handle: 2, offset: 12, size: 4096, withAttributes: false },
    ],
    [
      'a listing with attributes',
      44,
      [
        ['u64', 2],
        ['u64', 0],
        ['u32', 4096],
        ['u32', 0],
        ['u64', 0],
        ['u32', 0],
        ['u32', 0],
      ],
      { kind: 'list', handle: 2, offset: 0, size: 4096, withAttributes: true },
    ],
    [
      'closing a folder',
      29,
      [
        ['u64', 2],
        ['u32', 0],
        ['u32', 0],
        ['u64', 0],
      ],
      { kind: 'release-folder', handle: 2 },
    ],
    ['statfs', 17, [], { kind: 'statfs' }],
    ['a signal', 36, [['u64', 2 ** 40]], { kind: 'interrupt', of: 2 ** 40 }],
    ['the end', 38, [], { kind: 'destroy' }],
    ['what wakes', 41, [], { kind: 'woken' }],
    [
      'forget in bulk',
      42,
      [
        ['u32', 2],
        ['u32', 0],
        ['u64', 3],
        ['u64', 1],
        ['u64', 4],
        ['u64', 2 ** 33],
      ],
      {
        kind: 'forget',
        nodes: [
          { node: 3, lookups: 1 },
          { node: 4, lookups: 2 ** 33 },
        ],
      },
    ],
    ['chmod', 4, [], { kind: 'change', operation: 'setattr' }],
    ['create', 35, [], { kind: 'change', operation: 'create' }],
    ['getxattr', 22, [['u32', 0]], { kind: 'unknown' }],
    ['flush', 25, [], { kind: 'unknown' }],
    ['what nobody knows', 4096, [], { kind: 'unknown' }],
  ]
  for (const [what, opcode, body, says] of asked) {
    test(`asked: ${what}`, () => {
      const bytes = question({ opcode, unique: 2 ** 33 + 2, node: 2 ** 32 + 5 }, body)
      assert.equal(decodeHeader(bytes), { unique: 2 ** 33 + 2, node: 2 ** 32 + 5 })
      assert.equal(decodeQuestion(bytes), says)
    })
  }

  test('asked: what is cut is an error, not a guess', () => {
    assert.throws(() => decodeHeader(new Uint8Array(39)), /no request/)
    assert.throws(() => decodeQuestion(question({ opcode: 15, unique: 2, node: 1 }, [['u64', 7]])), RangeError)
    assert.throws(() => decodeQuestion(question({ opcode: 1, unique: 2, node: 1 }, [['text', 'x']])), /without an end/)
    assert.throws(
      () =>
        decodeQuestion(
          question({ opcode: 42, unique: 2, node: 1 }, [
            ['u32', 2 ** 31],
            ['u32', 0],
          ]),
        ),
      RangeError,
    )
  })

  const zeros = (count: number): readonly (readonly ['u32', number])[] => Array.from({ length: count }, () => ['u32', 0] as const)
  const told: readonly (readonly [what: string, bytes: Uint8Array, layout: Parameters<typeof bytesOf>[0]])[] = [
    [
      'a header',
      encodeHeader(2 ** 33 + 2, -5, 88),
      [
        ['u32', 104],
        ['i32', -5],
        ['u64', 2 ** 33 + 2],
      ],
    ],
    [
      'what wakes',
      encodeWake(7),
      [
        ['u32', 48],
        ['i32', 5],
        ['u64', 0],
        ['u64', 0],
        ['u64', 7],
        ['u64', 0],
        ['u32', 0],
        ['u32', 0],
      ],
    ],
    [
      'the agreement',
      encodeAgreement({
        minor: 31,
        readAheadBytes: 131_072,
        flags: 0x400000,
        maximumBackground: 256,
        maximumWriteBytes: 4096,
        maximumPages: 256,
      }),
      [
        ...[7, 31, 131_072, 0x400000].map((value) => ['u32', value] as const),
        ['u16', 256],
        ['u16', 192],
        ['u32', 4096],
        ['u32', 1],
        ['u16', 256],
        ['u16', 0],
        ...zeros(8),
      ],
    ],
    ['attributes', encodeAttributes(stat, 60), [['u64', 60], ...zeros(2), ...attributes]],
    [
      'an entry',
      encodeEntry(12, stat, { attributes: 60, negative: 5 }),
      [['u64', 12], ['u64', 0], ['u64', 60], ['u64', 60], ...zeros(2), ...attributes],
    ],
    ['an absence', encodeAbsence({ attributes: 60, negative: 5 }), [['u64', 0], ['u64', 0], ['u64', 5], ['u64', 0], ...zeros(24)]],
    [
      'an open file',
      encodeOpened(3, 'file'),
      [
        ['u64', 3],
        ['u32', 2],
        ['u32', 0],
      ],
    ],
    [
      'an open folder',
      encodeOpened(3, 'folder'),
      [
        ['u64', 3],
        ['u32', 0],
        ['u32', 0],
      ],
    ],
    [
      'statfs',
      encodeStatus({ blockSize: 1_048_576, blocks: 2 ** 33, files: 12, maximumNameBytes: 255 }),
      [
        ['u64', 2 ** 33],
        ['u64', 0],
        ['u64', 0],
        ['u64', 12],
        ['u64', 0],
        ['u32', 1_048_576],
        ['u32', 255],
        ['u32', 1_048_576],
        ...zeros(7),
      ],
    ],
    [
      'a listing, in steps of eight',
      encodeListing(
        [
          { name: 'ö.bai', stat },
          { name: '12345678', stat: { ...stat, mode: 0o40550 } },
        ],
        { from: 0, size: 4096, seconds: 60 },
      ),
      [
        ...([
          ['u64', 9],
          ['u64', 1],
          ['u32', 6],
          ['u32', 8],
          ['text', 'ö.bai'],
          ['u16', 0],
        ] as const),
        ...([
          ['u64', 9],
          ['u64', 2],
          ['u32', 8],
          ['u32', 4],
          ['text', '12345678'],
        ] as const),
      ],
    ],
    [
      'the rest of a listing, with attributes',
      encodeListing(
        [
          { name: 'a', stat },
          { name: 'b', stat },
        ],
        { from: 1, size: 4096, seconds: 60, nodeOf: () => 33 },
      ),
      [
        ...([['u64', 33], ['u64', 0], ['u64', 60], ['u64', 60], ...zeros(2), ...attributes] as const),
        ...([
          ['u64', 9],
          ['u64', 2],
          ['u32', 1],
          ['u32', 8],
          ['text', 'b'],
          ['u16', 0],
          ['u32', 0],
          ['text', '\0'],
        ] as const),
      ],
    ],
  ]
  for (const [what, bytes, layout] of told)
    test(`told: ${what}`, () => {
      assert.is(Buffer.from(bytes).toString('hex'), Buffer.from(bytesOf(layout)).toString('hex'))
    })

  test('told: a listing ends before what does not fit, and asks no node for it', () => {
    const entries = Array.from({ length: 5 }, (_, index) => ({ name: `n${index}`, stat }))
    const asked: string[] = []
    const nodeOf = ({ name }: { readonly name: string }): number => asked.push(name)
    const length = 128 + 32
    assert.is(encodeListing(entries, { from: 1, size: 2 * length + 31, seconds: 1, nodeOf }).length, 2 * length)
    assert.equal(asked, ['n1', 'n2'])
    assert.is(encodeListing(entries, { from: 5, size: 4096, seconds: 1 }).length, 0)
  })

  const offer = { kind: 'init', major: 7, minor: 31, readAheadBytes: 131_072, flags: 0x73ffffff } as const
  test('agreed: no more than is offered, nothing that is not wanted, 1 MiB a read', () => {
    const wanted = (1 << 0) | (1 << 13) | (1 << 14) | (1 << 18) | (1 << 22)
    const agreement = agreeWith(offer)
    assert.equal([agreement.minor, agreement.flags, agreement.maximumPages, agreement.readAheadBytes], [31, wanted, 256, 131_072])
    assert.is(agreeWith({ ...offer, flags: 1 << 22 }).flags, 1 << 22)
    assert.is(agreeWith({ ...offer, minor: 99 }).minor, 38)
    assert.is(agreeWith({ ...offer, major: 8, minor: 0 }).minor, 38)
  })

  test('refused: a kernel that is too old is named, with the way out', () => {
    assert.is(agreeWith({ ...offer, minor: 23 }).minor, 23)
    for (const old of [{ minor: 22 }, { major: 6, minor: 40 }])
      assert.throws(() => agreeWith({ ...offer, ...old }), /speaks FUSE [67]\.\d+, and the driver kernel needs 7\.23 .*fuse-native/)
  })
})
