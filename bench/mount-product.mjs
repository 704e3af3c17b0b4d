/**
 * The built package mounts the files of a bench store, for `bench/mount.ts`: STORE-URL MOUNT-POINT CACHE-BYTES DRIVER NAME:SIZE….
 * With `memory` instead of a store, reads come from one buffer: what is left is the driver. Ends with its stdin.
 */
import { boundYoungGeneration, chooseDriver } from '../dist/fuse.js'
import { createFileTree, createFuseMount, createObjectOpener, ScoreError } from '../dist/index.js'

const [store = '', mountPoint = '', cacheBytes = '', driverName = 'auto', ...files] = process.argv.slice(2)
const entries = files.map((file, index) => {
  const at = file.lastIndexOf(':')
  const objectId = `00000000-0000-4000-8000-${index.toString(16).padStart(12, '0')}`
  return { objectId, fileName: file.slice(0, at), size: Number(file.slice(at + 1)), analysisId: 'a', study: 's', access: 'open' }
})
const found = (objectId) => {
  const one = entries.find((entry) => entry.objectId === objectId)
  if (one) return one
  throw new ScoreError('entity-not-found', objectId)
}
const tree = await createFileTree(
  {
    metadata: {
      entity: async (objectId) => found(objectId),
      async *entities() {
        yield* entries.map(({ size: _, ...entity }) => entity)
      },
    },
    api: {
      async *listObjects() {
        for (const { objectId, size } of entries) yield { objectId, size, lastModified: new Date(0) }
      },
      describeObject: async (objectId) => ({ objectId, objectKey: '', uploadId: '', size: found(objectId).size, parts: [] }),
    },
  },
  { selection: { kind: 'everything' } },
)
const opener = createObjectOpener({
  api: {
    objectUrl: async (objectId) => {
      return { objectId, url: `${store}/${found(objectId).fileName}?signature=x`, expiresAt: new Date(Date.now() + 3_600_000) }
    },
  },
})
const patternBytes = 64 * 1024 * 1024
const pattern = store === 'memory' ? Buffer.alloc(patternBytes + 1024 * 1024, 7) : undefined
const inMemory = (objectId) => ({ size: async () => found(objectId).size, close: async () => undefined })
const served = createFuseMount({
  tree,
  open: pattern ? inMemory : opener.open,
  cache: { maximumBytes: Number(cacheBytes) },
})
const readPattern = (_, { start, end }, use) => {
  use([pattern.subarray(start % patternBytes, (start % patternBytes) + end - start)])
  return true
}
const mount = pattern ? { ...served, readNow: readPattern } : served
boundYoungGeneration()
const folder = await chooseDriver(driverName).mount({ mount, mountPoint })
console.log('ready')
process.stdin.on('data', () =>
  console.log(JSON.stringify({ ...mount.statistics(), rss: process.memoryUsage.rss(), cpu: process.cpuUsage() })),
)
process.stdin.on('end', () => void folder.unmount().then(() => process.exit(0)))
