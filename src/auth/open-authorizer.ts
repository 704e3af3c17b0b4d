import type { Authorizer } from './authorizer.ts'

/** Access none: everyone may do everything, tokens are not looked at. For a server on loopback, and for tests. */
export function createOpenAuthorizer(): Authorizer {
  const identity = { subject: 'anonymous', scopes: new Set<string>() }
  return { authorize: async () => identity }
}
