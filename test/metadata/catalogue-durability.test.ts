import { appendFileSync } from 'node:fs'
import { appendFile, copyFile, mkdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { openCatalogue } from '../../src/metadata/catalogue/open-catalogue.ts'
import { suite } from '../support/suite.ts'
import { check, ended, idsOf, objectState, startWorker, surviveKills, withCatalogue, withFolder } from './catalogue-kills.ts'
import { md5Of, payloadOf, rejects } from './submissions.ts'

suite('embedded catalogue on disk', (test) => {
  test('kill -9 at any moment loses nothing that was acknowledged', () => surviveKills(4))

  test('processes that write side by side lose nothing and see each other', () =>
    withFolder((folder) =>
      withCatalogue(folder, async (catalogue) => {
        const workers = ['x', 'y'].map((name) => startWorker(folder, name, 8))
        await Promise.all(workers.map(ended))
        const lines = workers.flatMap((worker) => worker.output().split('\n'))
        assert.is(lines.filter((line) => line.startsWith('published')).length, 16)
        assert.is((await idsOf(catalogue)).length, 48)
        await check(folder, lines)
      }),
    ))

  test('two submissions of one content at once: one is taken', () =>
    withFolder((folder) =>
      withCatalogue(folder, (one) =>
        withCatalogue(folder, async (two) => {
          await one.ensureStudy('S')
          const payload = payloadOf('S', ['a.bam'])
          const outcomes = await Promise.allSettled([one, two, one, two].map((catalogue) => catalogue.submit('S', payload)))
          assert.is(outcomes.filter((outcome) => outcome.status === 'fulfilled').length, 1)
          assert.is((await idsOf(two)).length, 1)
        }),
      ),
    ))

  test('what another process wrote is seen by the next call', () =>
    withFolder((folder) =>
      withCatalogue(folder, (one) =>
        withCatalogue(folder, async (two) => {
          await one.ensureStudy('S')
          for (let round = 0; round < 20; round++) {
            const { analysisId } = await one.submit('S', payloadOf('S', ['a.bam']))
            assert.is((await two.analysis('S', analysisId)).state, 'UNPUBLISHED')
            await two.suppress('S', analysisId)
            assert.is(await one.analysisState({ study: 'S', analysisId }), 'SUPPRESSED')
          }
        }),
      ),
    ))

  test('calls of one turn share a look, which begins after the last of them', () =>
    withFolder((folder) =>
      withCatalogue(folder, async (writer) => {
        const { analysisId } = await writer.ensureStudy('S').then(() => writer.submit('S', payloadOf('S', ['a.bam'])))
        const path = join(folder, 'catalogue.jsonl')
        const before = await readFile(path)
        await writer.suppress('S', analysisId)
        const after = await readFile(path)
        await writeFile(path, before)
        await withCatalogue(folder, async (reader) => {
          const state = (): Promise<string> => reader.analysisState({ study: 'S', analysisId })
          assert.is(await state(), 'UNPUBLISHED')
          const early = state()
          // As another process would: between two calls that are made without a pause.
          appendFileSync(path, after.subarray(before.length))
          assert.is(await state(), 'SUPPRESSED')
          assert.is(await early, 'SUPPRESSED')
        })
      }),
    ))

  const tails: readonly [what: string, tail: string | Uint8Array][] = [
    ['half a line', '{"type":"analysis","analysisId":"half'],
    ['zeros of a power cut', new Uint8Array(5000)],
    ['a whole line without its end', '{"type":"study","study":{"studyId":"GHOST"}}'],
  ]
  for (const [what, tail] of tails)
    test(`${what} at the end is not there, and is gone with the next change`, () =>
      withFolder(async (folder) => {
        await withCatalogue(folder, (catalogue) => catalogue.ensureStudy('S'))
        await appendFile(join(folder, 'catalogue.jsonl'), tail)
        await withCatalogue(folder, async (catalogue) => {
          assert.equal(await catalogue.documents.studies(), ['S'])
          await catalogue.ensureStudy('T')
          assert.equal(await catalogue.documents.studies(), ['S', 'T'])
        })
        await withCatalogue(folder, async (catalogue) => assert.equal(await catalogue.documents.studies(), ['S', 'T']))
        assert.match(await readFile(join(folder, 'catalogue.jsonl'), 'utf8'), /^[^\n]+\n[^\n]+"S"[^\n]+\n[^\n]+"T"[^\n]+\n$/)
      }))

  test('an earlier copy of the file put in its place is read anew', () =>
    withFolder((folder) =>
      withCatalogue(folder, async (catalogue) => {
        const file = join(folder, 'catalogue.jsonl')
        await catalogue.ensureStudy('S')
        await copyFile(file, `${file}.backup`)
        await catalogue.ensureStudy('T')
        await writeFile(file, await readFile(`${file}.backup`))
        assert.equal(await catalogue.documents.studies(), ['S'])
        await rm(file)
        await copyFile(`${file}.backup`, file)
        assert.equal(await catalogue.documents.studies(), ['S'])
        await rm(file)
        await rejects(catalogue.documents.studies(), 'local-storage', undefined, /is gone.*backup/)
      }),
    ))

  const damages: readonly [what: string, content: string, code: 'invalid-format' | 'invalid-configuration', text: RegExp][] = [
    ['a newer release', '{"format":"score-sdk catalogue","version":2}\n', 'invalid-configuration', /version 2.*newer release.*Upgrade/],
    ['another program', '{"hello":1}\n', 'invalid-format', /not a catalogue/],
    ['noise', '{"format":"score-sdk catalogue","version":1}\n\u0001\u0002\n', 'invalid-format', /damaged at byte 45.*backup/],
  ]
  for (const [what, content, code, text] of damages)
    test(`a file of ${what} is refused`, () =>
      withFolder(async (folder) => {
        await writeFile(join(folder, 'catalogue.jsonl'), content)
        await rejects(openCatalogue({ folder, objectState }), code, undefined, text)
      }))

  test('a folder that cannot be made is told', () =>
    withFolder(async (folder) => {
      await writeFile(join(folder, 'file'), '')
      await rejects(openCatalogue({ folder: join(folder, 'file', 'below'), objectState }), 'local-storage', undefined, /file/)
      await mkdir(join(folder, 'catalogue.jsonl'))
      await rejects(openCatalogue({ folder, objectState }), 'local-storage', undefined, /catalogue\.jsonl/)
    }))

  test('100,000 objects: opened and listed in seconds, looked up at once', () =>
    withFolder(async (folder) => {
      const analyses = 1000
      await withCatalogue(folder, (catalogue) => catalogue.ensureStudy('S'))
      const events: string[] = []
      for (let n = 0; n < analyses; n++) {
        const files = Array.from({ length: 100 }, (_, m) => ({
          objectId: `${md5Of((n * 7919 + 13) % analyses).slice(-8)}-${String(m).padStart(4, '0')}-5000-8000-000000000000`,
          fileName: `f${m}.bam`,
          fileSize: 1,
          fileMd5sum: md5Of(n * 100 + m + 1),
          fileType: 'BAM',
          fileAccess: n % 2 === 0 ? 'open' : 'controlled',
          dataType: 'x',
        }))
        const analysisType = { name: 'fileSet', version: 1 }
        events.push(
          JSON.stringify({
            type: 'analysis',
            at: '2026-01-01T00:00:00.000',
            analysisId: `a${n}`,
            studyId: 'S',
            analysisType,
            files,
            rest: {},
          }),
        )
      }
      await appendFile(join(folder, 'catalogue.jsonl'), `${events.join('\n')}\n`)
      const started = process.hrtime.bigint()
      const seconds = (): number => Number(process.hrtime.bigint() - started) / 1e9
      await withCatalogue(folder, async (catalogue) => {
        const opened = seconds()
        const ids = await idsOf(catalogue)
        assert.is(ids.length, 100_000)
        assert.equal(ids.slice(0, 50), [...ids].sort().slice(0, 50))
        let paged = 0
        for (let page = 0; ; page++) {
          const { content, total } = await catalogue.documents.entities({}, { page, size: 2000 })
          assert.is(total, 100_000)
          assert.is(content[0]?.['id'] ?? ids[paged], ids[paged])
          paged += content.length
          if (content.length < 2000) break
        }
        assert.is(paged, 100_000)
        assert.is((await catalogue.documents.entities({ access: 'open', projectCode: 'S' }, { page: 0, size: 10 })).total, 50_000)
        const listed = seconds()
        for (let n = 0; n < 5000; n++) await catalogue.entity(ids[n * 20] as string)
        const looked = seconds()
        console.log(
          `  opened ${opened.toFixed(2)} s, listed ${(listed - opened).toFixed(2)} s, 5000 look-ups ${(looked - listed).toFixed(2)} s`,
        )
        assert.ok(looked < 30, `took ${looked} s`)
      })
    }))

  test('changes leave no trace but their line', () =>
    withFolder((folder) =>
      withCatalogue(
        folder,
        async (catalogue) => {
          const file = join(folder, 'catalogue.jsonl')
          await catalogue.ensureStudy('S')
          const { size } = await stat(file)
          await rejects(catalogue.submit('S', { studyId: 'S' }), 'invalid-request')
          await catalogue.ensureStudy('S')
          assert.is((await stat(file)).size, size)
          await truncate(file, size)
          const { analysisId } = await catalogue.submit('S', payloadOf('S', ['a.bam']))
          assert.is(analysisId, 'fixed-id')
          const document = await catalogue.documents.analysis('S', analysisId)
          assert.is(document['createdAt'], '2026-05-04T10:11:12.345')
        },
        { now: () => new Date('2026-05-04T10:11:12.345Z'), randomId: () => 'fixed-id' },
      ),
    ))

  test('suppressed contents may be registered again where the catalogue is told so', () =>
    withFolder((folder) =>
      withCatalogue(
        folder,
        async (catalogue) => {
          await catalogue.ensureStudy('S')
          const payload = payloadOf('S', ['a.bam'])
          const { analysisId } = await catalogue.submit('S', payload)
          await rejects(catalogue.submit('S', payload), 'catalogue-conflict', 'info.already.exists', new RegExp(analysisId))
          await catalogue.suppress('S', analysisId)
          assert.ok((await catalogue.submit('S', payload)).analysisId)
        },
        { suppressedMayRepeat: true },
      ),
    ))

  test('files that change while they are being published are not published', () =>
    withFolder(async (folder) => {
      let during = async (): Promise<void> => undefined
      const describe = async () => {
        await during()
        return { exists: true, size: 100, md5: md5 }
      }
      let md5 = ''
      await withCatalogue(
        folder,
        async (catalogue) => {
          await catalogue.ensureStudy('S')
          const payload = payloadOf('S', ['a.bam'])
          md5 = payload.md5s[0] as string
          const { analysisId } = await catalogue.submit('S', payload)
          const [file] = await catalogue.files('S', analysisId)
          during = async () => {
            await catalogue.documents.updateFile('S', file?.objectId as string, { fileSize: 7 })
          }
          await rejects(catalogue.publish('S', analysisId), 'catalogue-conflict', 'mismatching.storage.object.checksums', /publish again/)
          during = () => catalogue.suppress('S', analysisId)
          await catalogue.documents.updateFile('S', file?.objectId as string, { fileSize: 100 })
          await rejects(catalogue.publish('S', analysisId), 'analysis-state', 'suppressed.state.transition')
        },
        { objectState: { describe } },
      )
    }))
})
