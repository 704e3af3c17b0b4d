import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { suite } from '../support/suite.ts'

const root = join(import.meta.dirname, '..', '..')

/** Rows that promise nothing a test could hold: advice, and headings of tables. */
const advice = 'advice'

/**
 * What holds each row of docs/mount-semantics.md: the row by its first words, then test files with a part of the name of a test.
 * A row that is added there needs its test here.
 */
const proofs: Readonly<Record<string, typeof advice | readonly (readonly [file: string, name: string])[]>> = {
  '| layout | what is where |': advice,
  '| `bundle` |': [['mount/file-tree', 'bundle: a folder for each analysis, names in order']],
  '| `object-id` |': [['mount/file-tree', 'object-id: index names are not listed']],
  '- **Indexes.** In `object-id`': [
    ['mount/file-tree', 'an index of another analysis stands for nothing'],
    ['mount/real/driver-contract', 'samtools finds the index of an object by its id, and beside its file'],
  ],
  '- **Which objects.**': [
    ['mount/file-tree', 'ids that cannot be shown are left out and told of'],
    ['mount/real/mount-command', 'a manifest shows its objects alone, and warns of those that are not there'],
    ['mount/real/mount-objects', 'in a manifest: what is not published is listed and EACCES'],
  ],
  '- **Names.**': [['mount/file-tree', 'names: 255 bytes are kept, 256 are cut without breaking a letter']],
  '- **Times**': [['mount/file-tree', 'an object described by its spec has the time it was first seen, until its size changes']],
  '- **Refresh**': [
    ['mount/real/mount-command', 'refreshes a mount in the background, which then shows what was added'],
    ['mount/file-tree', 'a refresh that fails leaves the tree as it was'],
    ['mount/real/driver-contract', 'a refresh is seen, and an open file stays'],
  ],
  '- 100,000 objects': [
    ['mount/file-tree', '100,000 objects: built in seconds, each found in no time'],
    ['mount/real/mount-resources', '1,000 objects: a handful of requests, then ready; all are listed'],
    ['mount/real/mount-refusals', '--cache-metadata: the second mount asks for no listing'],
  ],
  '- A read gives all bytes': [
    ['mount/fuse-mount', 'a source that gives fewer bytes is an error, never a short read'],
    ['mount/fuse-mount', '10,000 random openings, reads and closings of many files agree with their bytes'],
    ['mount/real/mount-trouble', 'a reader gets'],
    ['bytes/raw-answers', 'the right bytes'],
  ],
  '- **One version.**': [
    ['mount/real/mount-trouble', "errno: 'ESTALE'"],
    ['mount/real/mount-objects', "another size than the catalogue's"],
    ['mount/fuse-mount', 'an object of another size than listed is ESTALE at once'],
  ],
  '- **URLs and tokens.**': [
    ['mount/real/mount-objects', 'a URL that ran out is replaced, for a file that is open too'],
    ['mount/real/mount-objects', 'a token that ran out: bytes flow on while URLs hold'],
    ['mount/real/mount-objects', 'a token file that is replaced renews the mount'],
    ['bytes/http-source', 'a URL that is about to run out is replaced before it is used'],
  ],
  '- Offsets up to 2^53': [
    ['mount/real/driver-contract', '5 TiB: right at the far end, and across it'],
    ['mount/real/mount-objects', '5 TiB, no bytes'],
    ['mount/real/driver-contract', 'a mapped file has the same bytes'],
    ['mount/real/driver-contract', 'programs read what is there: md5sum, cp, cat, tail, dd of odd sizes'],
  ],
  '- Every call ends within 30 s.': [
    ['mount/real/mount-trouble', 'is silent always'],
    ['mount/real/mount-trouble', 'while reads wait, folders are listed, other files read, and programs killed'],
    ['bytes/page-cache', 'a fetch that stands still frees its connection for others at once'],
  ],
  '| what happened | errno |': advice,
  '| no such name, object gone': [
    ['mount/real/driver-contract', 'errors are the errors they are'],
    ['mount/real/mount-objects', 'and gone'],
  ],
  '| a path through a file': [['mount/real/driver-contract', "'ENOTDIR'"]],
  '| reading a folder |': [['mount/real/driver-contract', "'EISDIR'"]],
  '| not allowed, not published': [
    ['mount/real/score-reads', 'an object that went: open files go on as they can'],
    ['mount/real/mount-objects', 'EACCES for what is opened, and the way out'],
  ],
  '| any change: write': [['mount/real/driver-contract', "'EROFS'"]],
  '| the object is no longer the one': [['mount/real/mount-trouble', 'has another ETag']],
  '| anything else on the way': [['mount/real/mount-trouble', 'each EIO and ESTALE is told with its cause']],
  '| more files open than': [['mount/fuse-mount', 'more open files than allowed are EMFILE until one is closed']],
  '| a handle that is not open': [['mount/fuse-mount', "'EBADF'"]],
  '| `readlink` |': [['mount/real/driver-contract', "'EINVAL'"]],
  '| the program got a signal': [['mount/real/kernel', 'a direct read that waits ends with the signal that its program gets']],
  '| option | default |': advice,
  '| `--cache-memory` |': [
    ['mount/real/mount-resources', 'the least memory, and many that read in order and at random'],
    ['bytes/page-cache', 'less than 1 MiB is refused'],
  ],
  '| `--connections` |': [['bytes/page-cache', 'a connection is left for what is waited for, however much is fetched ahead']],
  '| `--cache-dir`': [['bytes/disk-cache', 'the bound holds: what was used longest ago goes']],
  '- **In order**': [
    ['bytes/read-window', 'in order from the start: a window that doubles to its limit'],
    ['bytes/page-cache', 'what was to be fetched ahead is dropped when its reader goes'],
  ],
  '- **At random**': [['bytes/page-cache', 'a seek back is served from memory; random reads fetch little']],
  '- **Indexes** up to': [['bytes/page-cache', 'an index is fetched whole at its first read and stays; a header stays too']],
  '- Whoever wants bytes': [['bytes/page-cache', 'readers of the same bytes share one fetch of them']],
  '- **On disk**': [
    ['mount/real/mount-resources', 'a disk cache on a disk that is really full'],
    ['mount/real/mount-resources', 'a disk cache that is damaged, cut off, or of another version is never believed'],
    ['bytes/disk-cache', 'two at once in one folder'],
  ],
  '- Kernels with `fs.fuse': advice,
  '- The mount point is an empty folder.': [
    ['mount/real/mount-refusals', 'is refused before any server is asked'],
    ['mount/real/mount-machines', 'and the way out'],
  ],
  '- `--daemonize` returns': [
    ['mount/real/mount-command', 'in the background: returns when it is ready'],
    ['mount/real/mount-refusals', 'the exit code and the reason come from there'],
  ],
  '- SIGINT, SIGTERM': [
    ['mount/real/mount-command', 'in front, '],
    ['mount/real/mount-command', '--with-parent: it ends with the process that started it'],
    ['mount/real/mount-command', 'somebody else unmounts: it ends by itself'],
    ['mount/real/mount-trouble', 'while a read waits it is unmounted, which ends the read'],
  ],
  '- After `kill -9`': [['mount/real/mount-command', 'kill -9: --status says so, `score unmount` clears it, and so does the next mount']],
  '- SIGUSR2 writes': [['mount/real/mount-command', 'told of by --status and SIGUSR2']],
  '- `--options` takes': [
    ['mount/real/mount-refusals', 'options that nobody knows'],
    ['mount/real/driver-contract', 'a name of a folder is never a command'],
  ],
  '| | fuse-native | kernel |': advice,
  '| needs |': [['mount/real/mount-machines', 'a user asks for the driver kernel']],
  '| largest read of the kernel |': advice,
  '| mounts in one process |': advice,
  '| choose it |': advice,
}

/** Bullets and rows of tables, whole, however many lines they take. */
function rowsOf(page: string): readonly string[] {
  const lines = page.replace(/```[\s\S]*?```/g, '').split('\n')
  return lines.filter((line) => /^(- |\| )/.test(line) && !/^\|[-| ]+$/.test(line))
}

suite('docs/mount-semantics.md', (test) => {
  const rows = rowsOf(readFileSync(join(root, 'docs', 'mount-semantics.md'), 'utf8'))
  const provenBy = (row: string): readonly string[] => Object.keys(proofs).filter((start) => row.startsWith(start))

  test('each row has its proof', () => {
    for (const row of rows) assert.is(provenBy(row).length, 1, `'${row.slice(0, 60)}' is proven by ${JSON.stringify(provenBy(row))}`)
  })

  for (const [start, proof] of Object.entries(proofs)) {
    if (proof === advice) continue
    test(`${start.replace(/^[-| ]+/, '')}: the tests are there`, () => {
      for (const [file, name] of proof) {
        const extension = file.endsWith('driver-contract') ? '.ts' : '.test.ts'
        const text = readFileSync(join(root, 'test', `${file}${extension}`), 'utf8')
        assert.ok(text.includes(name), `${file} has no test '${name}'`)
      }
    })
  }
})
