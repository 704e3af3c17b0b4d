import { existsSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { createScoreClient } from '../../src/index.ts'
import type { Exchange } from './support/recording-proxy.ts'
import { md5Of, type SongSite, type SongSiteFile, songSiteSuite } from './support/song-site.ts'

const whole = '?offset=0&length=-1&external=false'
const shown = ({ method, url, status }: Exchange): string => `${method} ${url} ${status}`

async function statusOf(answer: Promise<Response>): Promise<number> {
  const { status, body } = await answer
  await body?.cancel()
  return status
}

const downloadStatus = (site: SongSite, file: SongSiteFile | undefined, token?: string): Promise<number> =>
  statusOf(site.ask(`/download/${file?.objectId}${whole}`, token))

async function stateAtSong(site: SongSite, study: string, analysisId: string): Promise<unknown> {
  const answer = await site.askSong('GET', `/studies/${study}/analysis/${analysisId}`)
  return ((await answer.json()) as Readonly<Record<string, unknown>>)['analysisState']
}

songSiteSuite('the real Song, our programs, and our server between them', (test) => {
  test('registering without a payload: what is needed is told, and nothing is registered', async (site) => {
    const path = site.makeFile('bare.bam')
    const { stderr } = await site.run(['register', '--study', 'BARE', path], { code: 2 })
    assert.match(stderr, /sequencingRead: samples, experiment.*--payload FILE.*nothing was registered/s)
    assert.is(await statusOf(site.askSong('GET', '/studies/BARE')), 404)
  })

  test('registered, uploaded, published and downloaded by our programs; Song asks our server', async (site) => {
    const { analysisId, files } = await site.register('DEMO', ['one.bam', 'one.bam.bai'])
    assert.is(await stateAtSong(site, 'DEMO', analysisId), 'UNPUBLISHED')
    const early = await site.run(['publish', analysisId, '--study', 'DEMO'], { code: 5 })
    assert.match(early.stderr, /not every file of it is uploaded.*publish again/s)
    assert.ok(site.score.exchanges.map(shown).includes(`GET /upload/${files[0]?.objectId} 200`))

    const manifest = join(site.folder, 'manifest.txt')
    writeFileSync(manifest, `${analysisId}\t\t\n${files.map(({ objectId, path, md5 }) => `${objectId}\t${path}\t${md5}\n`).join('')}`)
    await site.run(['upload', '--manifest', manifest])
    const refused = await site.run(['download', '--object-id', String(files[0]?.objectId), '--output-dir', 'early'], { code: 5 })
    assert.match(refused.stderr, /PUBLISHED/)

    site.score.clear()
    await site.run(['publish', analysisId])
    assert.is(await stateAtSong(site, 'DEMO', analysisId), 'PUBLISHED')
    const asked = site.score.exchanges.map(shown)
    for (const { objectId } of files)
      for (const question of [`GET /upload/${objectId} 200`, `GET /download/${objectId}?offset=0&length=-1&exclude-urls=true 200`])
        assert.ok(asked.includes(question), `${question} is not among\n${asked.join('\n')}`)

    const names = ['download', '--study-id', 'DEMO', '--analysis-id', analysisId, '--output-layout', 'filename', '--output-dir', 'names']
    await site.run(names)
    for (const [index, name] of ['one.bam', 'one.bam.bai'].entries()) assert.is(md5Of(join(site.folder, 'names', name)), files[index]?.md5)
    const listed = (await site.run(['ls', '--study-id', 'DEMO'])).stdout
    for (const { objectId } of files) assert.ok(listed.includes(objectId), listed)
  })

  test('Song’s own publish, unpublish and suppress: our server honours each at once', async (site) => {
    const { analysisId, files } = await site.upload('DEMO', ['two.bam'])
    const [file] = files
    const move = async (verb: string): Promise<unknown> => {
      const answer = await site.askSong('PUT', `/studies/DEMO/analysis/${verb}/${analysisId}`)
      assert.is(answer.status, 200, await answer.clone().text())
      return answer.json()
    }
    assert.is(await downloadStatus(site, file), 400)
    assert.equal(await move('publish'), { message: `AnalysisId ${analysisId} successfully published` })
    assert.is(await downloadStatus(site, file), 200)
    await move('unpublish')
    assert.is(await downloadStatus(site, file), 400)
    await move('publish')
    assert.is(await downloadStatus(site, file), 200)
    await move('suppress')
    assert.is(await downloadStatus(site, file), 400)
  })

  test('our unpublish and suppress, and what is then refused', async (site) => {
    const { analysisId, files } = await site.upload('DEMO', ['three.bam'])
    const [file] = files
    const again = ['upload', '--force', '--file', String(file?.path), '--object-id', String(file?.objectId), '--md5', String(file?.md5)]
    await site.run(['publish', analysisId, '--study', 'DEMO'])
    assert.match((await site.run(again, { code: 5 })).stderr, /unpublish it first/)
    await site.run(['unpublish', analysisId, '--study', 'DEMO'])
    assert.is(await downloadStatus(site, file), 400)
    await site.run(again)
    await site.run(['publish', analysisId, '--study', 'DEMO'])
    assert.is(await downloadStatus(site, file), 200)
    await site.run(['suppress', analysisId, '--study', 'DEMO'])
    assert.is(await downloadStatus(site, file), 400)
    assert.match((await site.run(['unpublish', analysisId, '--study', 'DEMO'], { code: 5 })).stderr, /a suppressed analysis stays so/)
    assert.match((await site.run(again, { code: 5 })).stderr, /SUPPRESSED/)
  })

  test('one command registers, uploads and publishes; the same again finds all done', async (site) => {
    const path = site.makeFile('four.bam')
    const command = ['upload', '--study', 'NEWSTUDY', '--payload', site.payload, path]
    const [objectId = ''] = (await site.run(command)).stdout.split('\t')
    assert.is(await downloadStatus(site, { objectId, path, md5: '' }), 200)
    assert.ok((await site.run(command)).stdout.startsWith(objectId))
  })

  test('a file of another size or MD5 than registered is refused before bytes move', async (site) => {
    const { files } = await site.register('DEMO', ['five.bam'])
    const objectId = String(files[0]?.objectId)
    for (const [size, code, text] of [
      [4999, 6, /registered with 5000 bytes/],
      [5000, 6, /registered with MD5/],
    ] as const) {
      const other = site.makeFile(`other-${size}.bam`, size)
      site.score.clear()
      const { stderr } = await site.run(['upload', '--file', other, '--object-id', objectId, '--md5', md5Of(other)], { code })
      assert.match(stderr, text)
      assert.ok(site.score.exchanges.every(({ method }) => method !== 'PUT'))
    }
  })

  test('an object whose MD5 the store was not told is not published, unless Song is told to', async (site) => {
    const { analysisId, files } = await site.register('DEMO', ['six.bam'])
    const [file] = files as [SongSiteFile]
    const api = createScoreClient({ url: site.score.url, token: site.token })
    const { uploadId = '', parts } = await api.openUpload({ objectId: file.objectId, size: 5000 })
    const put = await fetch(String(parts[0]?.url), { method: 'PUT', body: await readFile(file.path) })
    const upload = { objectId: file.objectId, uploadId }
    await api.finalizePart(upload, { number: 1, md5: file.md5, etag: String(put.headers.get('etag')) })
    await api.finalizeUpload(upload)
    const { stderr } = await site.run(['publish', analysisId, '--study', 'DEMO'], { code: 5 })
    assert.match(stderr, /other MD5s than registered, or none that the store knows/)
    const publish = `/studies/DEMO/analysis/publish/${analysisId}?ignoreUndefinedMd5=true`
    assert.is(await statusOf(site.askSong('PUT', publish)), 200)
    assert.is(await downloadStatus(site, file), 200)
  })

  test('a token of one study does everything in it, and nothing in another', async (site) => {
    await site.register('OTHER', ['seven-o.bam'])
    const token = await site.auth.token({ scopes: ['PROGRAMDATA-DEMO.READ', 'PROGRAMDATA-DEMO.WRITE'] })
    const path = site.makeFile('seven.bam')
    await site.run(['upload', '--study', 'DEMO', '--payload', site.payload, path], { token })
    const refused = await site.run(['upload', '--study', 'OTHER', '--payload', site.payload, site.makeFile('no.bam')], { code: 3, token })
    assert.match(refused.stderr, /access denied/)
    const { files } = await site.upload('OTHER', ['seven-p.bam'])
    assert.is(await statusOf(site.ask(`/upload/${files[0]?.objectId}`, token)), 403)
  })

  test('open files are for everyone, controlled ones of the same study are not', async (site) => {
    const open = await site.upload('DEMO', ['open.bam'], 'open')
    const controlled = await site.upload('DEMO', ['controlled.bam'])
    for (const { analysisId } of [open, controlled]) await site.run(['publish', analysisId, '--study', 'DEMO'])
    const download = ({ files }: typeof open) => ['download', '--object-id', String(files[0]?.objectId), '--output-dir', 'everyone']
    await site.run(download(open), { token: '' })
    assert.is(md5Of(join(site.folder, 'everyone', 'open.bam')), open.files[0]?.md5)
    await site.run(download(controlled), { token: '', code: 3 })
    assert.not(existsSync(join(site.folder, 'everyone', 'controlled.bam')))
  })

  test('a token that Song refuses, and none: told as such', async (site) => {
    const path = site.makeFile('eight.bam')
    const register = ['register', '--study', 'DEMO', '--payload', site.payload, path]
    const expired = await site.auth.token({ scopes: ['song.WRITE'], expiresIn: -600 })
    assert.match((await site.run(register, { code: 3, token: expired })).stderr, /access token was refused/)
    assert.match((await site.run(register, { code: 3, token: '' })).stderr, /no access token was sent/)
  })

  test('the same content a second time is refused, and told where the way is', async (site) => {
    const { files } = await site.register('DEMO', ['nine.bam'])
    const { stderr } = await site.run(['register', '--study', 'TWICE', '--payload', site.payload, String(files[0]?.path)], { code: 5 })
    assert.match(stderr, /same MD5 is registered already/)
    const again = await site.run(['register', '--study', 'DEMO', '--payload', site.payload, String(files[0]?.path)])
    assert.ok(again.stdout.includes(String(files[0]?.objectId)), 'the analysis that waits is gone on with')
    await site.run(['register', '--study', 'TWICE', '--payload', site.payload, '--allow-duplicates', String(files[0]?.path)])
  })

  test('a warm download asks Song once, whoever asks', async (site) => {
    const { analysisId, files } = await site.upload('DEMO', ['ten.bam'])
    await site.run(['publish', analysisId, '--study', 'DEMO'])
    const token = await site.auth.token({ scopes: ['PROGRAMDATA-DEMO.READ'] })
    assert.is(await downloadStatus(site, files[0], token), 200)
    site.askedOfSong.clear()
    for (let count = 0; count < 5; count++) assert.is(await downloadStatus(site, files[0], token), 200)
    assert.equal(
      site.askedOfSong.exchanges.map(shown),
      Array.from({ length: 5 }, () => `GET /studies/DEMO/analysis/${analysisId} 200`),
    )
  })

  test('while Song is down the answer is 503, never yes', async (site) => {
    const { analysisId, files } = await site.upload('DEMO', ['last.bam'])
    await site.run(['publish', analysisId, '--study', 'DEMO'])
    assert.is(await downloadStatus(site, files[0]), 200)
    await site.song.stop()
    const token = await site.auth.token({ scopes: ['PROGRAMDATA-DEMO.READ'] })
    for (const bearer of [site.token, token, '']) assert.is(await downloadStatus(site, files[0], bearer), bearer === '' ? 403 : 503)
    const answer = await site.ask(`/download/00000000-0000-4000-8000-000000000000${whole}`, token)
    const { status, message } = (await answer.json()) as { readonly status: number; readonly message: string }
    assert.is(status, 503)
    assert.ok(/cannot reach .*\/entities\//.test(message), message)
  })
})
