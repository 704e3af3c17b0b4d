import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import type { S3TestStore } from './s3-stores.ts'
import { startProgram, startScoreServer } from './score-process.ts'

/** The settings of an example of docs/stores.md: a block that is marked `sh` and the name. */
export function exampleSettings(name: string): Readonly<Record<string, string>> {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/stores.md'), 'utf8')
  const block = new RegExp(`\`\`\`sh ${name}\\n([\\s\\S]*?)\`\`\``).exec(page)?.[1]?.trim()
  if (block === undefined) throw new Error(`docs/stores.md has no example 'sh ${name}'`)
  return Object.fromEntries(block.split('\n').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]))
}

/** Serves the store with the settings of the page, but for the addresses: the checks are good, and a URL given out is too. */
export async function checkExample(name: string, { endpoint, bucket, backend }: S3TestStore): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'score-example-'))
  const example = exampleSettings(name)
  assert.is(example['BUCKET_NAME_OBJECT'], bucket)
  const env = { ...example, S3_ENDPOINT: endpoint, SERVER_PORT: '0', SERVER_ADDRESS: '127.0.0.1' }
  try {
    const checked = await startProgram(['serve', '--check', '--fix'], { cwd: folder, env }).finished
    assert.is(checked.code, 0, `${checked.stdout}\n${checked.stderr}`)
    assert.ok(await backend.head({ bucket, key: 'data/heliograph' }))
    const server = await startScoreServer({ cwd: folder, env })
    try {
      const url = await (await fetch(`${server.url}/download/ping`)).text()
      const answer = await fetch(url)
      assert.equal([answer.status, new URL(url).host], [200, new URL(endpoint).host])
    } finally {
      assert.is(await server.end(), 0, server.log())
    }
  } finally {
    await rm(folder, { recursive: true })
  }
}
