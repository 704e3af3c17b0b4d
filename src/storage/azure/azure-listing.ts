import type { CallOptions } from '../../core/call-options.ts'
import type { ListedObject, ObjectAddress } from '../storage-backend.ts'
import type { AzureCalls } from './azure-calls.ts'

/** Pages one after the other; one is asked for when the one before is used up. */
async function* pages<Page>(
  calls: AzureCalls,
  prefix: ObjectAddress,
  page: (place: { readonly continuationToken?: string }, abortSignal: AbortSignal) => Promise<IteratorResult<Page>>,
  options: CallOptions,
): AsyncIterable<Page> {
  const context = { doing: `list ${prefix.bucket}/${prefix.key}`, subject: 'bucket' } as const
  let token: string | undefined
  do {
    const place = token === undefined ? {} : { continuationToken: token }
    const step = await calls.run(context, ({ abortSignal }) => page(place, abortSignal), options)
    if (step.done === true) return
    yield step.value
    token = (step.value as { readonly continuationToken?: string }).continuationToken
  } while (token !== undefined && token !== '')
}

/** Blobs below a prefix, page by page. */
export async function* listAzureObjects(
  calls: AzureCalls,
  prefix: ObjectAddress,
  maxPageSize: number,
  options: CallOptions = {},
): AsyncIterable<ListedObject> {
  const { bucket, key } = prefix
  const container = await calls.container(bucket)
  const found = pages(
    calls,
    prefix,
    (place, abortSignal) =>
      container
        .listBlobsFlat({ prefix: key, abortSignal })
        .byPage({ maxPageSize, ...place })
        .next(),
    options,
  )
  for await (const { segment } of found) {
    for (const { name, properties } of segment.blobItems)
      yield { bucket, key: name, size: properties.contentLength ?? 0, lastModified: properties.lastModified }
  }
}

/** Folders right below a prefix, page by page. */
export async function* listAzureFolders(
  calls: AzureCalls,
  prefix: ObjectAddress,
  maxPageSize: number,
  options: CallOptions = {},
): AsyncIterable<string> {
  const container = await calls.container(prefix.bucket)
  const found = pages(
    calls,
    prefix,
    (place, abortSignal) =>
      container
        .listBlobsByHierarchy('/', { prefix: prefix.key, abortSignal })
        .byPage({ maxPageSize, ...place })
        .next(),
    options,
  )
  let last: string | undefined
  for await (const { segment } of found) {
    for (const { name } of segment.blobPrefixes ?? []) {
      if (name !== last) yield name
      last = name
    }
  }
}
