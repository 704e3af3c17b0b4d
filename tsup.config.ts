import { cp, mkdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { defineConfig } from 'tsup'

/** What can be imported; the other entries are started, and need no declarations. */
const imported = {
  index: 'src/index.ts',
  fuse: 'adapters/fuse/index.ts',
  server: 'adapters/server/index.ts',
  testing: 'src/testing.ts',
  s3: 'src/s3.ts',
  azure: 'src/azure.ts',
}

const started = {
  'transfer-worker': 'src/transfer/transport/worker.ts',
  'text-worker': 'src/slice/text-worker.ts',
  'bin/score': 'adapters/cli/score.ts',
  'bin/score-client': 'adapters/cli/score-client.ts',
}

/** What the API's page is made of (adapters/server/openapi/explorer-files.ts), with its licence. */
const explorerFiles = [
  'swagger-ui.css',
  'swagger-ui-bundle.js',
  'swagger-ui-bundle.js.LICENSE.txt',
  'swagger-ui-standalone-preset.js',
  'swagger-ui-standalone-preset.js.LICENSE.txt',
  'favicon-32x32.png',
  'package.json',
  'LICENSE',
  'NOTICE',
]

async function copyExplorer(): Promise<void> {
  const from = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'))
  await mkdir('dist/swagger-ui', { recursive: true })
  for (const file of explorerFiles) await cp(join(from, file), join('dist/swagger-ui', file))
}

/** `npm run build:js` leaves the declarations out: they take most of the time and no program reads them. */
export default defineConfig({
  entry: { ...imported, ...started },
  format: 'esm',
  target: 'node20',
  platform: 'node',
  // One chunk for what entries share: ScoreError is one class, whichever entry it came from.
  splitting: true,
  sourcemap: true,
  clean: true,
  onSuccess: copyExplorer,
  // tsup 8.5.1 hands TypeScript a `baseUrl`, which 6.0 reports as deprecated (egoist/tsup #1388).
  dts: { entry: imported, compilerOptions: { ignoreDeprecations: '6.0' } },
})
