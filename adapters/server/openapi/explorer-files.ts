import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { ScoreError } from '../../../src/index.ts'

/** Name in the page, name in swagger-ui-dist, and type. Nothing else of the package is served. */
const files: Readonly<Record<string, readonly [file: string, type: string]>> = {
  'swagger-ui.min.css': ['swagger-ui.css', 'text/css; charset=utf-8'],
  'swagger-ui-bundle.js': ['swagger-ui-bundle.js', 'text/javascript; charset=utf-8'],
  'swagger-ui-standalone-preset.js': ['swagger-ui-standalone-preset.js', 'text/javascript; charset=utf-8'],
  'favicon-32x32.png': ['favicon-32x32.png', 'image/png'],
}

export interface ExplorerFiles {
  /** Of swagger-ui-dist; part of the files' addresses, so that they can be kept for good. */
  readonly version: string
  /** @throws `object-not-found` */
  read(version: string, name: string): Promise<{ readonly bytes: Buffer; readonly type: string }>
}

/** Swagger UI's own files, from the package that lies beside this one. */
export function createExplorerFiles(): ExplorerFiles {
  const require = createRequire(import.meta.url)
  const folder = dirname(require.resolve('swagger-ui-dist/package.json'))
  const { version } = require('swagger-ui-dist/package.json') as { readonly version: string }
  return {
    version,
    async read(asked, name) {
      const found = Object.hasOwn(files, name) ? files[name] : undefined
      if (asked !== version || found === undefined)
        throw new ScoreError('object-not-found', 'there is no such file in the documentation; begin at swagger-ui.html')
      const [file, type] = found
      return { bytes: await readFile(join(folder, file)), type }
    },
  }
}
