import type { ObjectInfo, ScoreApi } from '../../src/api/score-api.ts'
import { ScoreError } from '../../src/core/errors.ts'
import type { Entity } from '../../src/metadata/metadata-service.ts'
import { createFileTree, type FileTree, type FileTreeOptions } from '../../src/mount/file-tree.ts'
import type { TreeObjectsDependencies } from '../../src/mount/tree-objects.ts'

/** An object of the double: stored unless `size` is absent. */
export interface Stored {
  readonly objectId: string
  readonly fileName: string
  readonly analysisId?: string
  readonly study?: string
  readonly size?: number
  readonly modified?: Date
  /** Describing it fails with this. */
  readonly refused?: ScoreError
}

/** Services over a list that a test may change, with the calls they got. */
export interface ServicesDouble extends TreeObjectsDependencies {
  objects: readonly Stored[]
  readonly calls: string[]
}

export function idOf(number: number): string {
  return `00000000-0000-4000-8000-${number.toString(16).padStart(12, '0')}`
}

function entityOf({ objectId, fileName, analysisId = 'A1', study = 'S1' }: Stored): Entity {
  return { objectId, fileName, analysisId, study, access: 'open' }
}

function infoOf({ objectId, size = 0, modified = new Date(Date.UTC(2026, 0, 1)) }: Stored): ObjectInfo {
  return { objectId, size, lastModified: modified }
}

export function servicesDouble(objects: readonly Stored[]): ServicesDouble {
  const calls: string[] = []
  const found = (objectId: string): Stored => {
    const one = double.objects.find((object) => object.objectId === objectId)
    if (one) return one
    throw new ScoreError('entity-not-found', `no entity ${objectId}`)
  }
  const api: Pick<ScoreApi, 'listObjects' | 'describeObject'> = {
    async *listObjects() {
      calls.push('listObjects')
      for (const object of double.objects) if (object.size !== undefined) yield infoOf(object)
    },
    async describeObject(objectId) {
      calls.push(`describe ${objectId}`)
      const { size, refused } = found(objectId)
      if (refused) throw refused
      if (size === undefined) throw new ScoreError('object-not-found', `no object ${objectId}`)
      return { objectId, objectKey: `data/${objectId}`, uploadId: objectId, size, parts: [] }
    },
  }
  const metadata: TreeObjectsDependencies['metadata'] = {
    async entity(objectId) {
      calls.push(`entity ${objectId}`)
      return entityOf(found(objectId))
    },
    async *entities(filter = {}) {
      calls.push(`entities ${JSON.stringify(filter)}`)
      for (const entity of double.objects.map(entityOf)) {
        if (filter.study !== undefined && filter.study !== entity.study) continue
        if (filter.analysisId !== undefined && filter.analysisId !== entity.analysisId) continue
        yield entity
      }
    },
  }
  const double: ServicesDouble = { objects, calls, api, metadata }
  return double
}

export const everything = { kind: 'everything' } as const

export function treeOf(objects: readonly Stored[], options: Partial<FileTreeOptions> = {}): Promise<FileTree> {
  return createFileTree(servicesDouble(objects), { selection: everything, ...options })
}
