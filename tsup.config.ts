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
  'bin/score': 'adapters/cli/score.ts',
  'bin/score-client': 'adapters/cli/score-client.ts',
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
  // tsup 8.5.1 hands TypeScript a `baseUrl`, which 6.0 reports as deprecated (egoist/tsup #1388).
  dts: { entry: imported, compilerOptions: { ignoreDeprecations: '6.0' } },
})
