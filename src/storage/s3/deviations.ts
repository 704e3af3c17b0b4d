/** The stores that the driver is tried with. */
export type S3Store = 'minio' | 'versitygw' | 'ceph' | 'swift'

/** A promise of `StorageBackend` that a store does not keep: the name of a case of `storageBackendContract`, and why. */
export interface S3Deviation {
  readonly caseName: string
  readonly reason: string
  /** Whether it shows depends on who comes first. */
  readonly byChance?: boolean
}

/** What each store is known to do otherwise; a deviation that is not here fails the suite, and so does one that is mended. */
export const s3Deviations: Readonly<Record<S3Store, readonly S3Deviation[]>> = {
  minio: [
    {
      caseName: 'odd keys are kept to the letter',
      reason: 'MinIO refuses keys with a segment `.` or `..` (XMinioInvalidResourceName); a score writes none',
    },
    {
      caseName: 'an empty name between slashes is a name',
      reason: 'MinIO refuses keys with two slashes in a row (XMinioInvalidObjectName); a score writes none',
    },
    {
      caseName: 'one key may be a folder of another',
      reason: 'MinIO takes `a/b` beside `a`, but leaves it out of listings; in the layout of a score no key is the folder of another',
    },
    {
      caseName: 'a signed range is the only one that is given',
      reason: 'MinIO refuses a request that lacks the signed Range with 400 instead of 403 (code AccessDenied all the same)',
    },
  ],
  versitygw: [
    {
      caseName: 'odd keys are kept to the letter',
      reason: 'versitygw keeps objects as files and resolves `.` and `..` in keys; a score writes none',
    },
    {
      caseName: 'an empty name between slashes is a name',
      reason: 'versitygw keeps objects as files: a key that ends with a slash is a folder and holds no bytes; a score writes none',
    },
    {
      caseName: 'one key may be a folder of another',
      reason:
        'versitygw keeps objects as files, and no file is a folder (ObjectParentIsFile); in the layout of a score no key is the folder of another',
    },
    {
      caseName: 'an upload is completed once',
      reason: 'versitygw answers a repeated completion with success, as AWS does; the object stays as it is',
    },
  ],
  ceph: [
    {
      caseName: 'parts that are not named are left out',
      reason: 'Ceph joins an upload only when every part that it holds is named (InvalidPart); a score names all',
    },
    {
      caseName: 'an upload is completed once',
      reason: 'Ceph answers a repeated completion with success, as AWS does; the object stays as it is',
    },
    {
      caseName: 'of many completions that may not replace, one wins and the others are told',
      reason:
        'Ceph ignores If-None-Match on a completion: only the question before it guards, so of completions in one moment the last wins',
      byChance: true,
    },
  ],
  swift: [
    {
      caseName: 'an upload is completed once',
      reason: 'Swift answers a repeated completion with success, as AWS does; the object stays as it is',
    },
    {
      caseName: 'of many completions that may not replace, one wins and the others are told',
      reason: 'Swift looks for the object before it joins, not while: of completions in one moment all pass, and the last wins',
      byChance: true,
    },
  ],
}
