import { readFile } from 'node:fs/promises'

export interface MountRow {
  readonly mountPoint: string
  /** Such as `ext4` or `fuse.score`. */
  readonly type: string
  /** Numbers of its device, such as `0:53`. */
  readonly device: string
}

function unescaped(field: string): string {
  const bytes = field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

/** Rows of `/proc/self/mountinfo`, read as latin1 so that its octal escapes can be told from bytes of UTF-8. */
export function parseMountTable(latin1: string): MountRow[] {
  return latin1.split('\n').flatMap((line) => {
    const [front = '', back = ''] = line.split(' - ')
    const [, , device, , mountPoint] = front.split(' ')
    const type = back.split(' ')[0]
    return device === undefined || mountPoint === undefined || type === undefined || type === ''
      ? []
      : [{ mountPoint: unescaped(mountPoint), type: unescaped(type), device }]
  })
}

/** What is mounted at a path, on top; asked of the kernel's table and never of the folder, which might not answer. */
export async function mountedAt(mountPoint: string): Promise<MountRow | undefined> {
  return parseMountTable(await readFile('/proc/self/mountinfo', 'latin1')).findLast((row) => row.mountPoint === mountPoint)
}
