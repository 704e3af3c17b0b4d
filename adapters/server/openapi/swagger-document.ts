import type { Json } from './json-schema.ts'

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A 3.1 schema in the words of Swagger 2.0, which has no null, no const and one example. */
function schemaOf(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(schemaOf)
  if (!isObject(schema)) return schema
  const { $ref, type, const: only, examples, contentEncoding, properties, items, ...rest } = schema
  if (typeof $ref === 'string') return { $ref: $ref.replace('#/components/schemas/', '#/definitions/') }
  const types = Array.isArray(type) ? (type as readonly string[]) : []
  return {
    ...rest,
    ...(types.length > 0 ? { type: types.find((name) => name !== 'null'), 'x-nullable': types.includes('null') } : {}),
    ...(typeof type === 'string' ? { type } : {}),
    ...(type === 'array' && items === undefined ? { items: {} } : {}),
    ...(items === undefined ? {} : { items: schemaOf(items) }),
    ...(only === undefined ? {} : { type: typeof only, enum: [only] }),
    ...(Array.isArray(examples) ? { example: examples[0] } : {}),
    ...(contentEncoding === undefined ? {} : { format: contentEncoding }),
    ...(isObject(properties)
      ? { properties: Object.fromEntries(Object.entries(properties).map(([name, inner]) => [name, schemaOf(inner)])) }
      : {}),
  }
}

function parameterOf({ schema, style, explode, example, ...parameter }: Json): Json {
  const flat = schemaOf(schema) as Json
  const format = flat['type'] === 'array' ? { collectionFormat: explode === true ? 'multi' : 'csv' } : {}
  return { ...parameter, ...flat, ...format, ...(example === undefined ? {} : { 'x-example': example }) }
}

function responseOf(response: Json): Json {
  const content = Object.values((response['content'] ?? {}) as Record<string, Json>)
  const headers = Object.entries((response['headers'] ?? {}) as Record<string, Json>)
  return {
    description: response['description'],
    ...(content[0] ? { schema: schemaOf(content[0]['schema']) } : {}),
    ...(headers.length > 0 ? { headers: Object.fromEntries(headers.map(([name, header]) => [name, schemaOf(header['schema'])])) } : {}),
  }
}

function operationOf(operation: Json): Json {
  const { parameters = [], requestBody, responses, ...rest } = operation
  const answers = Object.entries(responses as Record<string, Json>)
  const produces = new Set(answers.flatMap(([, answer]) => Object.keys((answer['content'] ?? {}) as Json)))
  const body = isObject(requestBody) ? Object.entries(requestBody['content'] as Record<string, Json>)[0] : undefined
  const inBody = body ? [{ name: 'body', in: 'body', required: true, schema: schemaOf(body[1]['schema']) }] : []
  return {
    ...rest,
    ...(body ? { consumes: [body[0]] } : {}),
    produces: [...produces],
    parameters: [...(parameters as readonly Json[]).map(parameterOf), ...inBody],
    responses: Object.fromEntries(answers.map(([status, answer]) => [status, responseOf(answer)])),
  }
}

/**
 * The OpenAPI document as Swagger 2.0, for tools that know no other.
 *
 * @param basePath the path under which the service lies: `''` or such as `/score`.
 */
export function swaggerDocument(openApi: Json, basePath: string): Json {
  const { title, description, version } = openApi['info'] as Json
  const components = openApi['components'] as Record<string, Record<string, Json>>
  const paths = Object.entries(openApi['paths'] as Record<string, Record<string, Json>>)
  return {
    swagger: '2.0',
    info: { title, description, version },
    basePath: basePath === '' ? '/' : basePath,
    tags: openApi['tags'],
    paths: Object.fromEntries(
      paths.map(([path, item]) => [path, Object.fromEntries(Object.entries(item).map(([method, one]) => [method, operationOf(one)]))]),
    ),
    definitions: Object.fromEntries(Object.entries(components['schemas'] ?? {}).map(([name, schema]) => [name, schemaOf(schema)])),
    securityDefinitions: {
      bearer: { type: 'apiKey', in: 'header', name: 'Authorization', description: 'The word Bearer, a blank, and the access token.' },
    },
  }
}
