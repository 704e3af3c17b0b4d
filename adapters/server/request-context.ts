import { AsyncLocalStorage } from 'node:async_hooks'

/** The request that is being answered, for those who are told of what happens inside of it. */
export interface RequestContext {
  /** Of this server's own making; also in the answer's header `X-Request-Id`. */
  readonly requestId: string
  readonly remoteAddress: string
}

const storage = new AsyncLocalStorage<RequestContext>()

/** Absent outside of a request, and in servers that tell nobody of their requests. */
export function currentRequest(): RequestContext | undefined {
  return storage.getStore()
}

export function inRequest<T>(context: RequestContext, work: () => T): T {
  return storage.run(context, work)
}
