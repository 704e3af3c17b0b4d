import { readFile } from 'node:fs/promises'
import type { ObjectInfo } from '../api/score-api.ts'
import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import { writeFileAtomic } from '../files/atomic-write.ts'
import { errnoOf, toFileError } from '../files/file-error.ts'
import type { Entity } from '../metadata/metadata-service.ts'
import { entityFromJson, entityToJson } from '../metadata/song-json.ts'
import type { TreeObjectsDependencies } from '../mount/tree-objects.ts'
import { objectInfoFromJson, objectInfoToJson } from '../wire/object-spec-json.ts'

export interface CachedListingOptions {
  /** Files of entities and of stored objects, each a JSON array as the original's `--cache-metadata` writes it. */
  readonly entitiesPath: string
  readonly objectsPath: string
}

/** Services whose listings are taken from files where they are there, and written to them where they are not. */
export interface CachedListing extends TreeObjectsDependencies {
  /** From here on the services are asked again, and the files replaced. */
  refresh(): void
}

async function readList<Item>(path: string, itemOf: (value: unknown) => Item): Promise<readonly Item[] | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw toFileError(error, 'read', path)
  }
  try {
    const value: unknown = JSON.parse(text)
    if (Array.isArray(value)) return value.map(itemOf)
  } catch (error) {
    throw new ScoreError('invalid-format', `'${path}' holds no listing that can be read; remove it to have it made anew`, { cause: error })
  }
  throw new ScoreError('invalid-format', `'${path}' holds no listing; remove it to have it made anew`)
}

/**
 * Keeps listings in files, which do not know when something was added: whoever wants that asks for a refresh.
 *
 * @throws `invalid-format` on a listing for a file that holds none; `local-storage`.
 */
export function createCachedListing(services: TreeObjectsDependencies, options: CachedListingOptions): CachedListing {
  let anew = false

  async function* listed<Item>(
    path: string,
    all: (call: CallOptions) => AsyncIterable<Item>,
    json: { readonly from: (value: unknown) => Item; readonly to: (item: Item) => unknown },
    call: CallOptions,
  ): AsyncGenerator<Item> {
    const kept = anew ? undefined : await readList(path, json.from)
    if (kept) return yield* kept
    const items: unknown[] = []
    for await (const item of all(call)) {
      items.push(json.to(item))
      yield item
    }
    await writeFileAtomic(path, JSON.stringify(items), { mode: 0o600, durable: false })
  }

  const entityJson = { from: entityFromJson, to: entityToJson }
  const objectJson = {
    from: (value: unknown): ObjectInfo => objectInfoFromJson(value, options.objectsPath),
    to: objectInfoToJson,
  }
  return {
    refresh() {
      anew = true
    },
    metadata: {
      entity: (objectId, call) => services.metadata.entity(objectId, call),
      async *entities(filter = {}, call = {}) {
        const all = (inner: CallOptions): AsyncIterable<Entity> => services.metadata.entities({}, inner)
        for await (const entity of listed(options.entitiesPath, all, entityJson, call)) {
          if (filter.study !== undefined && entity.study !== filter.study) continue
          if (filter.analysisId !== undefined && entity.analysisId !== filter.analysisId) continue
          if (filter.fileName !== undefined && entity.fileName !== filter.fileName) continue
          yield entity
        }
      },
    },
    api: {
      describeObject: (objectId, call) => services.api.describeObject(objectId, call),
      listObjects: (call = {}) => listed(options.objectsPath, (inner) => services.api.listObjects(inner), objectJson, call),
    },
  }
}
