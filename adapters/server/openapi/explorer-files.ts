import { existsSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
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

/** The build copies them (tsup.config.ts): the package itself comes with a script that asks the network when it is installed. */
function explorerFolder(): string {
  const copied = join(dirname(fileURLToPath(import.meta.url)), 'swagger-ui')
  return existsSync(copied) ? copied : dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'))
}

/** Swagger UI's own files. */
export function createExplorerFiles(): ExplorerFiles {
  const folder = explorerFolder()
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { readonly version: string }
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
