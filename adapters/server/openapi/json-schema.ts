/** A piece of an OpenAPI document or of a JSON Schema: plain JSON. */
export type Json = Readonly<Record<string, unknown>>

export function ref(name: string): Json {
  return { $ref: `#/components/schemas/${name}` }
}

export function arrayOf(items: Json): Json {
  return { type: 'array', items }
}

/** An object whose named properties are all there, unless they are `optional`. More may come with it. */
export function record(properties: Json, optional: readonly string[] = []): Json {
  const required = Object.keys(properties).filter((name) => !optional.includes(name))
  return { type: 'object', properties, ...(required.length === 0 ? {} : { required }) }
}

export const text: Json = { type: 'string' }
export const whole: Json = { type: 'integer' }

/** `/upload/:objectId` as OpenAPI writes it: `/upload/{objectId}`. */
export function templateOf(path: string): string {
  return path.replace(/:(\w+)/g, '{$1}')
}

/** Names of the path's parameters, in order. */
export function pathNames(path: string): readonly string[] {
  return [...path.matchAll(/:(\w+)/g)].map((match) => String(match[1]))
}
