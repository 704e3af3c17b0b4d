import { fileNamePattern } from '../file-name.ts'
import type { JsonObject } from '../song-json.ts'
import type { TypeRecord } from './catalogue-event.ts'

const text = { type: 'string', minLength: 1 }
const submitterId = { type: 'string', pattern: '^[A-Za-z0-9\\-._]{1,64}$' }

const files = {
  type: 'array',
  minItems: 1,
  items: {
    type: 'object',
    required: ['dataType', 'fileName', 'fileSize', 'fileType', 'fileAccess', 'fileMd5sum'],
    properties: {
      dataType: text,
      fileName: { type: 'string', pattern: fileNamePattern },
      // Song takes 0 and less, and then can never publish: nothing that size is ever stored (song.md 9.6).
      fileSize: { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER },
      fileType: text,
      fileAccess: { type: 'string', enum: ['open', 'controlled'] },
      fileMd5sum: { type: 'string', pattern: '^[a-fA-F0-9]{32}$' },
      info: { type: 'object' },
    },
  },
}

// The closed lists of tissue and sample types differ between Songs; what a site's words are is not ours to say.
const samples = {
  type: 'array',
  minItems: 1,
  items: {
    type: 'object',
    required: ['submitterSampleId', 'sampleType', 'matchedNormalSubmitterSampleId', 'specimen', 'donor'],
    properties: {
      submitterSampleId: submitterId,
      sampleType: text,
      matchedNormalSubmitterSampleId: { type: ['string', 'null'] },
      specimen: {
        type: 'object',
        required: ['submitterSpecimenId', 'specimenTissueSource', 'tumourNormalDesignation', 'specimenType'],
        properties: {
          submitterSpecimenId: submitterId,
          specimenTissueSource: text,
          tumourNormalDesignation: { type: 'string', enum: ['Normal', 'Tumour'] },
          specimenType: text,
        },
      },
      donor: {
        type: 'object',
        required: ['submitterDonorId', 'gender'],
        properties: { submitterDonorId: submitterId, gender: { type: 'string', enum: ['Male', 'Female', 'Other'] } },
      },
    },
  },
}

/** What every payload must be (song.md 1.6), `samples` checked where present but not asked for, as Song after 5.2. */
export const baseSchema = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  type: 'object',
  required: ['studyId', 'analysisType', 'files'],
  properties: {
    studyId: text,
    analysisId: false,
    analysisType: {
      type: 'object',
      required: ['name'],
      properties: { name: text, version: { type: ['integer', 'null'] } },
    },
    files,
    samples,
  },
} as const

/** Keys that a registered schema must not define: the base schema owns them. */
export const reservedKeys: readonly string[] = [
  'studyId',
  'analysisState',
  'analysisType',
  'analysisTypeId',
  'samples',
  'files',
  'analysisId',
]

function builtIn(name: string, schema: JsonObject): TypeRecord {
  return { name, version: 1, schema, fileTypes: [], createdAt: '2024-01-01T00:00:00.000' }
}

/** The two types that a fresh Song has, and one that asks for files alone. */
export const builtInTypes: readonly TypeRecord[] = [
  builtIn('sequencingRead', {
    type: 'object',
    required: ['experiment'],
    properties: {
      experiment: {
        type: 'object',
        required: ['libraryStrategy'],
        properties: {
          libraryStrategy: text,
          aligned: { type: ['boolean', 'null'] },
          alignmentTool: { type: ['string', 'null'] },
          insertSize: { type: ['integer', 'null'] },
          pairedEnd: { type: ['boolean', 'null'] },
          referenceGenome: { type: ['string', 'null'] },
        },
      },
    },
  }),
  builtIn('variantCall', {
    type: 'object',
    required: ['experiment'],
    properties: {
      experiment: {
        type: 'object',
        required: ['variantCallingTool', 'matchedNormalSampleSubmitterId'],
        properties: { variantCallingTool: text, matchedNormalSampleSubmitterId: text },
      },
    },
  }),
  builtIn('fileSet', { type: 'object', required: [], properties: {} }),
]

/** The base schema with a type's own part merged in: what a payload of that type must be. */
export function renderedSchema(record: TypeRecord): JsonObject & { readonly required: readonly string[] } {
  const {
    required = [],
    properties = {},
    ...others
  } = record.schema as {
    readonly required?: readonly string[]
    readonly properties?: JsonObject
  }
  return {
    ...others,
    ...baseSchema,
    required: [...new Set([...baseSchema.required, ...required])],
    properties: { ...properties, ...baseSchema.properties },
  }
}
