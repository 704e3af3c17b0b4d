import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import type { Exchange } from './support/recording-proxy.ts'
import { md5Of, type SongSite, songSiteSuite } from './support/song-site.ts'

const whole = '?offset=0&length=-1&external=false'
const shown = ({ method, url, status }: Exchange): string => `${method} ${url} ${status}`

async function statusOf(answer: Promise<Response>): Promise<number> {
  const { status, body } = await answer
  await body?.cancel()
  return status
}

const downloadStatus = (site: SongSite, { objectId }: { readonly objectId: string }, token?: string): Promise<number> =>
  statusOf(site.ask(`/download/${objectId}${whole}`, token))

/** What `score register` prints: analysis id and two tabs, then object id, path and MD5. */
function readManifest(text: string): { readonly analysisId: string; readonly objectIds: readonly string[] } {
  const [first = '', ...rows] = text
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t')[0] ?? '')
  return { analysisId: first, objectIds: rows }
}

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
    const names = ['one.bam', 'one.bam.bai']
    const paths = names.map((name) => site.makeFile(name))
    const { stdout } = await site.run(['register', '--study', 'DEMO', '--payload', site.payload, ...paths])
    const { analysisId, objectIds } = readManifest(stdout)
    assert.is(await stateAtSong(site, 'DEMO', analysisId), 'UNPUBLISHED')
    const early = await site.run(['publish', analysisId, '--study', 'DEMO'], { code: 5 })
    assert.match(early.stderr, /not every file of it is uploaded.*publish again/s)
    assert.ok(site.score.exchanges.map(shown).includes(`GET /upload/${objectIds[0]} 200`))

    const manifest = join(site.folder, 'manifest.txt')
    writeFileSync(manifest, stdout)
    await site.run(['upload', '--manifest', manifest])
    const refused = await site.run(['download', '--object-id', String(objectIds[0]), '--output-dir', 'early'], { code: 5 })
    assert.match(refused.stderr, /PUBLISHED/)

    site.score.clear()
    await site.run(['publish', analysisId])
    assert.is(await stateAtSong(site, 'DEMO', analysisId), 'PUBLISHED')
    const asked = site.score.exchanges.map(shown)
    for (const objectId of objectIds)
      for (const question of [`GET /upload/${objectId} 200`, `GET /download/${objectId}?offset=0&length=-1&exclude-urls=true 200`])
        assert.ok(asked.includes(question), `${question} is not among\n${asked.join('\n')}`)

    const byNames = ['--study-id', 'DEMO', '--analysis-id', analysisId, '--output-layout', 'filename', '--output-dir', 'names']
    await site.run(['download', ...byNames])
    for (const [index, name] of names.entries()) assert.is(md5Of(join(site.folder, 'names', name)), md5Of(paths[index] as string))
    const listed = (await site.run(['ls', '--study-id', 'DEMO'])).stdout
    for (const objectId of objectIds) assert.ok(listed.includes(objectId), listed)
  })

  test('Song’s own publish, unpublish and suppress: our server honours each at once', async (site) => {
    const file = await site.upload('DEMO', 'two.bam')
    const { analysisId } = file
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
    const file = await site.upload('DEMO', 'three.bam')
    const { analysisId, objectId, path, md5 } = file
    const again = ['upload', '--force', '--file', path, '--object-id', objectId, '--md5', md5]
    await site.publish(file)
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
    assert.is(await downloadStatus(site, { objectId }), 200)
    assert.ok((await site.run(command)).stdout.startsWith(objectId))
  })

  test('a file of another size or MD5 than registered is refused before bytes move', async (site) => {
    const { objectId } = await site.register('DEMO', 'five.bam')
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
    const file = await site.upload('DEMO', 'six.bam', { md5: false })
    const { analysisId } = file
    const { stderr } = await site.run(['publish', analysisId, '--study', 'DEMO'], { code: 5 })
    assert.match(stderr, /other MD5s than registered, or none that the store knows/)
    const publish = `/studies/DEMO/analysis/publish/${analysisId}?ignoreUndefinedMd5=true`
    assert.is(await statusOf(site.askSong('PUT', publish)), 200)
    assert.is(await downloadStatus(site, file), 200)
  })

  test('a token of one study does everything in it, and nothing in another', async (site) => {
    const foreign = await site.upload('OTHER', 'seven-other.bam')
    const token = await site.auth.token({ scopes: ['PROGRAMDATA-DEMO.READ', 'PROGRAMDATA-DEMO.WRITE'] })
    const path = site.makeFile('seven.bam')
    await site.run(['upload', '--study', 'DEMO', '--payload', site.payload, path], { token })
    const refused = await site.run(['upload', '--study', 'OTHER', '--payload', site.payload, site.makeFile('no.bam')], { code: 3, token })
    assert.match(refused.stderr, /access denied/)
    assert.is(await statusOf(site.ask(`/upload/${foreign.objectId}`, token)), 403)
  })

  test('open files are for everyone, controlled ones of the same study are not', async (site) => {
    const open = await site.upload('DEMO', 'open.bam', { access: 'open' })
    const controlled = await site.upload('DEMO', 'controlled.bam')
    for (const analysis of [open, controlled]) await site.publish(analysis)
    const download = ({ objectId }: typeof open) => ['download', '--object-id', objectId, '--output-dir', 'everyone']
    await site.run(download(open), { token: '' })
    assert.is(md5Of(join(site.folder, 'everyone', 'open.bam')), open.md5)
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
    const { objectId, path } = await site.register('DEMO', 'nine.bam')
    const register = (study: string): string[] => ['register', '--study', study, '--payload', site.payload, path]
    assert.match((await site.run(register('TWICE'), { code: 5 })).stderr, /same MD5 is registered already/)
    const again = readManifest((await site.run(register('DEMO'))).stdout)
    assert.equal(again.objectIds, [objectId], 'the analysis that waits is gone on with')
    await site.run([...register('TWICE'), '--allow-duplicates'])
  })

  test('a warm download asks Song once, whoever asks', async (site) => {
    const file = await site.upload('DEMO', 'ten.bam')
    await site.publish(file)
    const token = await site.auth.token({ scopes: ['PROGRAMDATA-DEMO.READ'] })
    assert.is(await downloadStatus(site, file, token), 200)
    site.askedOfSong.clear()
    for (let count = 0; count < 5; count++) assert.is(await downloadStatus(site, file, token), 200)
    assert.equal(
      site.askedOfSong.exchanges.map(shown),
      Array.from({ length: 5 }, () => `GET /studies/DEMO/analysis/${file.analysisId} 200`),
    )
  })

  test('while Song is down the answer is 503, never yes', async (site) => {
    const file = await site.upload('DEMO', 'last.bam')
    await site.publish(file)
    assert.is(await downloadStatus(site, file), 200)
    await site.song.stop()
    const token = await site.auth.token({ scopes: ['PROGRAMDATA-DEMO.READ'] })
    for (const bearer of [site.token, token]) assert.is(await downloadStatus(site, file, bearer), 503)
    const answer = await site.ask(`/download/00000000-0000-4000-8000-000000000000${whole}`, token)
    const { status, message } = (await answer.json()) as { readonly status: number; readonly message: string }
    assert.is(status, 503)
    assert.match(message, /^cannot reach a service behind this one: /)
    assert.not.match(message, /127\.0\.0\.1|localhost|entities/)
  })
})
