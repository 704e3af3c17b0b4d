import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { createMemorySource } from '../../src/bytes/memory-source.ts'
import { isScoreError, type ProblemCode } from '../../src/core/errors.ts'
import { cramEofContainer } from '../../src/formats/cram-version.ts'
import { createSlicer } from '../../src/slice/create-slicer.ts'
import { createSamtoolsTool } from '../../src/slice/samtools-tool.ts'
import { suite } from '../support/suite.ts'
import { gather } from './slice-fixture.ts'

const folder = mkdtempSync(join(tmpdir(), 'score-samtools-tool-'))
const eof = cramEofContainer({ major: 3, minor: 0 })
const printEof = `printf '${[...eof].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('')}'`

/** A program that stands in for samtools. */
function stand(name: string, script: string): string {
  const path = join(folder, name)
  writeFileSync(path, `#!/bin/sh\n${script}\n`)
  chmodSync(path, 0o755)
  return path
}

async function* pieces(count: number, failAt = count): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < count; at += 1) {
    if (at === failAt) throw new Error('the input broke off')
    yield new Uint8Array(64 * 1024).fill(at)
  }
}

/** What came out before the error, and the error. */
async function broken(output: AsyncIterable<Uint8Array>): Promise<{ readonly out: Buffer; readonly error: unknown }> {
  const all: Uint8Array[] = []
  try {
    for await (const piece of output) all.push(Buffer.from(piece))
  } catch (error) {
    return { out: Buffer.concat(all), error }
  }
  throw new Error('it came out whole')
}

suite('samtools as a tool', (test) => {
  test.after(() => rmSync(folder, { recursive: true }))

  test('streams both ways, more than a pipe holds, and gives every byte', async () => {
    const tool = createSamtoolsTool({ command: stand('echo', 'exec cat') })
    const out = await gather(tool.encodeCram(pieces(64)))
    assert.ok(out.equals(await gather(pieces(64))))
  })

  test('is told what to do by arguments that no shell reads', async () => {
    const reference = '/r/$(touch x) a.fa'
    const tool = createSamtoolsTool({ command: stand('arguments', 'cat >/dev/null; for one; do echo "<$one>"; done'), reference })
    const told = (await gather(tool.encodeCram(pieces(1)))).toString()
    assert.is(
      told,
      ['view', '--no-PG', '--output-fmt', 'cram', '--reference', reference, '-o', '-', '-'].map((one) => `<${one}>\n`).join(''),
    )
  })

  test('looks for no reference on the network, unless its environment says so', async () => {
    const command = stand('environment', 'cat >/dev/null; echo "$REF_PATH"')
    const own = process.env['REF_PATH'] ?? '/dev/null'
    assert.is((await gather(createSamtoolsTool({ command }).encodeCram(pieces(1)))).toString().trim(), own)
    const given = createSamtoolsTool({ command, environment: { ...process.env, REF_PATH: '/refs/%s' } })
    assert.is((await gather(given.encodeCram(pieces(1)))).toString().trim(), '/refs/%s')
  })

  const troubles: readonly (readonly [what: string, script: string, code: ProblemCode, says: RegExp])[] = [
    ['a program that fails at once', 'echo "cannot do that" >&2; exit 3', 'invalid-format', /ended with status 3 .*: cannot do that$/],
    ['one that fails after a whole file', `cat >/dev/null; ${printEof}; exit 1`, 'invalid-format', /status 1/],
    ['one that ends well without reading everything', `${printEof}`, 'invalid-format', /before it wrote all reads/],
    ['one that is killed', `cat >/dev/null; ${printEof}; kill -9 $$`, 'invalid-format', /status null/],
  ]
  for (const [what, script, code, says] of troubles) {
    test(`${what}: an error, and no end of file before it`, async () => {
      const { out, error } = await broken(createSamtoolsTool({ command: stand(what.replaceAll(' ', '-'), script) }).encodeCram(pieces(64)))
      assert.ok(isScoreError(error, code), String(error))
      assert.match(error.message, says)
      assert.not.ok(out.includes(Buffer.from(eof)))
    })
  }

  test('a program that is not there is refused by name', async () => {
    const { out, error } = await broken(createSamtoolsTool({ command: join(folder, 'nothing') }).encodeCram(pieces(64)))
    assert.ok(isScoreError(error, 'invalid-request'))
    assert.match(error.message, /nothing' cannot be started; install samtools/)
    assert.is(out.length, 0)
  })

  test('an input that breaks off ends with its own error, though the program ends well', async () => {
    const { out, error } = await broken(
      createSamtoolsTool({ command: stand('patient', `cat >/dev/null; ${printEof}`) }).encodeCram(pieces(64, 20)),
    )
    assert.match(String(error), /the input broke off/)
    assert.not.ok(out.includes(Buffer.from(eof)))
  })

  test('an abort, and a reader who leaves, end the program', async () => {
    const command = stand('talking', 'exec yes')
    const stop = new AbortController()
    const { error } = await broken(
      (async function* () {
        for await (const piece of createSamtoolsTool({ command }).encodeCram(pieces(1), { signal: stop.signal })) {
          stop.abort(new Error('enough'))
          yield piece
        }
      })(),
    )
    assert.match(String(error), /enough/)
    for await (const piece of createSamtoolsTool({ command }).encodeCram(pieces(1000))) {
      assert.ok(piece.length > 0)
      break
    }
  })

  test('CRAM out of a BAM without samtools is refused before anything is read', async () => {
    const { out, error } = await broken(
      createSlicer({ data: createMemorySource(Buffer.from('\u001f\u008b\u0008\u0004', 'latin1')) }, { name: 'x.bam' }).slice(['chr1'], {
        format: 'cram',
      }),
    )
    assert.ok(isScoreError(error, 'invalid-request'))
    assert.match(error.message, /x\.bam: .*only samtools can write this CRAM/)
    assert.is(out.length, 0)
  })
})
