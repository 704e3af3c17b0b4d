import type { ProblemCode } from '../core/errors.ts'

/** One route of the original's protocol (score-server.md 1.1 to 1.3), spoken by our client and answered by our server. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** `:objectId` stands for the object's id. */
  readonly path: string
  /** Query names as on the wire. */
  readonly query: readonly string[]
  /** Which right the plain 403 sentence speaks of. */
  readonly right?: 'upload' | 'download'
  /** What a bare status means here, when the peer says no more (the original's error bodies name no reason). */
  readonly meanings: Readonly<Partial<Record<number, ProblemCode>>>
}

/** In order of matching: a fixed path stands before the one with `:objectId` that would take it too. */
export const routes = {
  cancelAll: { method: 'POST', path: '/upload/cancel', query: [], right: 'upload', meanings: {} },
  uploadTest: { method: 'GET', path: '/upload/test/:objectId', query: [], right: 'upload', meanings: { 404: 'entity-not-found' } },
  openUpload: {
    method: 'POST',
    path: '/upload/:objectId/uploads',
    query: ['fileSize', 'overwrite', 'md5', 'dialect'],
    right: 'upload',
    meanings: { 404: 'entity-not-found' },
  },
  deletePart: {
    method: 'DELETE',
    path: '/upload/:objectId/parts',
    query: ['uploadId', 'partNumber'],
    right: 'upload',
    meanings: { 404: 'entity-not-found' },
  },
  finalizePart: {
    method: 'POST',
    path: '/upload/:objectId/parts',
    query: ['uploadId', 'partNumber', 'md5', 'etag'],
    right: 'upload',
    meanings: { 400: 'part-mismatch', 404: 'upload-not-found' },
  },
  finalizeUpload: {
    method: 'POST',
    path: '/upload/:objectId',
    query: ['uploadId'],
    right: 'upload',
    meanings: { 400: 'upload-incomplete', 404: 'upload-not-found' },
  },
  recoverUpload: {
    method: 'POST',
    path: '/upload/:objectId/recovery',
    query: ['fileSize'],
    right: 'upload',
    meanings: { 400: 'size-changed', 404: 'upload-not-found' },
  },
  uploadStatus: {
    method: 'GET',
    path: '/upload/:objectId/status',
    query: ['fileSize', 'dialect'],
    right: 'upload',
    meanings: { 400: 'size-changed', 404: 'upload-not-found' },
  },
  objectExists: { method: 'GET', path: '/upload/:objectId', query: [], right: 'upload', meanings: { 404: 'entity-not-found' } },
  cancelUpload: { method: 'DELETE', path: '/upload/:objectId', query: [], right: 'upload', meanings: { 404: 'upload-not-found' } },
  ping: { method: 'GET', path: '/download/ping', query: [], right: 'download', meanings: {} },
  download: {
    method: 'GET',
    path: '/download/:objectId',
    query: ['offset', 'length', 'external', 'exclude-urls'],
    right: 'download',
    meanings: { 400: 'analysis-state', 404: 'object-not-found' },
  },
  listing: { method: 'GET', path: '/listing', query: [], meanings: {} },
  profile: { method: 'GET', path: '/profile', query: [], meanings: {} },
} as const satisfies Record<string, Route>

export type RouteName = keyof typeof routes

/** The path and query of a request, ready to follow a base address: `/upload/<id>/status?fileSize=5`. Absent values are left out. */
export function routeTarget(
  route: Route,
  objectId: string | undefined,
  query: Readonly<Record<string, string | number | boolean | undefined>> = {},
): string {
  const path = route.path.replace(':objectId', encodeURIComponent(objectId ?? ''))
  const search = new URLSearchParams()
  for (const name of route.query) {
    const value = query[name]
    if (value !== undefined) search.append(name, String(value))
  }
  const text = search.toString()
  return text === '' ? path : `${path}?${text}`
}
