import { ScoreError } from '../core/errors.ts'

const reasons: Readonly<Record<string, string>> = {
  ENOSPC: 'there is no space left on the device; free some, or use another folder',
  EDQUOT: 'the disk quota is used up; free some space, or use another folder',
  EACCES: 'permission denied; check the owner and the mode of the file and of its folders',
  EPERM: 'the operation is not permitted; check the owner and the mode of the file and of its folders',
  EROFS: 'the file system is read-only; use another folder',
  EIO: 'the device reports an input/output error; check the disk',
  ENOENT: 'there is no such file or folder',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EISDIR: 'it is a folder, not a file',
  EMFILE: 'this process has too many open files; raise its limit (ulimit -n)',
  ENFILE: 'the system has too many open files',
  ENAMETOOLONG: 'the name is too long for the file system',
  EFBIG: 'the file is too large for the file system',
  EXDEV: 'the folders lie on different file systems',
  ESTALE: 'the network file system no longer knows the file; try again',
}

/** The errno name of a failed system call (`ENOENT`, …); `undefined` for any other error. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && 'syscall' in error && typeof error.code === 'string' ? error.code : undefined
}

/**
 * A failed system call as `local-storage`, with a message that names the path and the way out. Anything else (a
 * `ScoreError`, an abort reason, a defect) comes back as it is.
 *
 * @param doing what was tried, as in `cannot <doing> '<path>'`
 */
export function toFileError(error: unknown, doing: string, path: string): unknown {
  const errno = errnoOf(error)
  if (errno === undefined) return error
  return new ScoreError('local-storage', `cannot ${doing} '${path}': ${reasons[errno] ?? (error as Error).message} (${errno})`, {
    cause: error,
  })
}
