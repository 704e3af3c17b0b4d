/** The stores that the driver is tried with. */
export type AzureStore = 'azurite'

/** A promise of `StorageBackend` that a store does not keep: the name of a case of `storageBackendContract`, and why. */
export interface AzureDeviation {
  readonly caseName: string
  readonly reason: string
}

const oddKeys =
  'Azure takes a backslash for a slash, and every client takes segments `.` and `..` for a path: the driver refuses such keys; a score writes none'

/** What Azure does otherwise by its nature. */
const azure: readonly AzureDeviation[] = [
  {
    caseName: 'the ETag of an object put at once is its MD5',
    reason: 'an ETag of Azure counts versions; the MD5 is kept beside it, and that is what the service goes by',
  },
  {
    caseName: 'the ETag of a multipart object tells its parts',
    reason: 'an ETag of Azure counts versions; the blob names the upload that made it instead',
  },
  { caseName: 'odd keys are kept to the letter', reason: oddKeys },
  { caseName: 'odd keys hold multipart objects', reason: oddKeys },
  { caseName: 'odd keys survive a signed URL', reason: oddKeys },
  {
    caseName: 'a signed range is the only one that is given',
    reason: 'a shared access signature binds no Range: whoever may have a part may have the whole blob',
  },
  {
    caseName: 'a part for an upload that is gone is refused',
    reason: 'Azure takes a block for any id; nothing joins it, and it is forgotten after a week',
  },
  {
    caseName: 'the URL of one part fills no other, and reads nothing',
    reason: 'a shared access signature binds a blob, not a block of it: whoever may send one part may send all, and the blob itself',
  },
]

/** What each store is known to do otherwise; a deviation that is not here fails the suite, and so does one that is mended. */
export const azureDeviations: Readonly<Record<AzureStore, readonly AzureDeviation[]>> = {
  azurite: [
    ...azure,
    {
      caseName: 'a listing ascends by the bytes of the keys',
      reason: 'Azurite sorts by UTF-16 units, which differs beyond U+FFFF; a score writes ASCII alone',
    },
    {
      caseName: 'a signed GET without a range takes any range',
      reason: 'Azurite answers a range that begins at the end with 206 and nothing, instead of 416; the driver and the client see that',
    },
  ],
}
