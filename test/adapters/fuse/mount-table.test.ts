import * as assert from 'uvu/assert'
import { parseMountTable } from '../../../adapters/fuse/mount-table.ts'
import { suite } from '../../support/suite.ts'

suite('adapters/fuse/mount-table', (test) => {
  test('rows with optional fields, escapes and other alphabets', () => {
    const text = [
      '24 30 0:22 / /proc rw,nosuid shared:13 - proc proc rw',
      '40 24 0:50 / /mnt/a\\040b\\134c ro,nosuid - fuse.score score ro,user_id=0',
      '41 24 0:51 / /mnt/\u00c3\u00b6 ro master:1 propagate_from:2 - fuse score ro',
      'not a row',
      '',
    ].join('\n')
    assert.equal(parseMountTable(text), [
      { mountPoint: '/proc', type: 'proc', device: '0:22' },
      { mountPoint: '/mnt/a b\\c', type: 'fuse.score', device: '0:50' },
      { mountPoint: '/mnt/ö', type: 'fuse', device: '0:51' },
    ])
  })
})
