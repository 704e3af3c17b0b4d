import { type IncomingMessage, request } from 'node:http'
import * as assert from 'uvu/assert'
import { type Caller, callersOf, otherStudy, ownStudy } from './support/auth-callers.ts'
import { authDifferences, type Treatment } from './support/auth-differences.ts'
import { type Make, type Site, type SiteFile, siteSuite } from './support/site.ts'

interface Answer {
  readonly status: number
  readonly body: string
  readonly type: string
  readonly challenge: string
}

/** Asks with the headers as given: two of one name too, which `fetch` would join. */
async function ask(method: string, url: string, authorization: readonly string[]): Promise<Answer> {
  const reply = await new Promise<IncomingMessage>((done, fail) => {
    const headers = authorization.flatMap((value) => ['authorization', value])
    request(url, { method, headers: ['host', new URL(url).host, ...headers] })
      .once('response', done)
      .once('error', fail)
      .end()
  })
  let body = ''
  for await (const text of reply.setEncoding('utf8')) body += text
  const { 'content-type': type = '', 'www-authenticate': challenge = '' } = reply.headers
  return { status: reply.statusCode ?? 0, body, type, challenge }
}

/** What is asked, by name; each of both servers, with the same effect however often. */
const questions = [
  'open',
  'controlled',
  'of another study',
  'unpublished',
  'unpublished without URLs',
  'unknown',
  'exists',
  'exists, of another study',
  'upload',
  'upload of what is published',
  'listing',
  'profile',
  'ping',
] as const
type Question = (typeof questions)[number]
type Targets = Readonly<Record<Question, readonly [method: string, path: string]>>

/** The decision table (docs/authorization.md), in the order of {@link questions}. */
const decided: Readonly<Record<string, readonly number[]>> = {
  'system scopes': [200, 200, 200, 400, 200, 404, 200, 200, 200, 400, 200, 200, 200],
  'system scope to read': [200, 200, 200, 400, 200, 404, 403, 403, 403, 403, 200, 200, 200],
  'study scope to read': [200, 200, 403, 400, 200, 404, 403, 403, 403, 403, 200, 200, 200],
  'scopes of another study': [200, 403, 200, 403, 403, 404, 403, 200, 403, 403, 200, 200, 200],
  'no scope': [200, 403, 403, 403, 403, 404, 403, 403, 403, 403, 200, 200, 200],
  'API key, system scopes': [200, 200, 200, 400, 200, 404, 200, 200, 200, 400, 200, 200, 200],
  'API key, scopes of the study': [200, 200, 403, 400, 200, 404, 200, 403, 200, 400, 200, 200, 200],
  nobody: [200, 403, 403, 403, 403, 404, 400, 400, 400, 400, 401, 401, 200],
  'run out 10 minutes ago': questions.map(() => 401),
  'API key that nobody knows': questions.map(() => 401),
}

/** One question that ours answers otherwise to those who may upload and not download. */
const describing = {
  callers: ['system scope to write', 'study scope to write'],
  question: 'unpublished without URLs',
  ours: 200,
  original: 403,
  reason: 'whoever uploads may see whether it is there as he sent it',
} as const

async function stock(site: Site): Promise<Targets> {
  site.serveBy('ours')
  const register = async (name: string, access: 'open' | 'controlled', study: string): Promise<SiteFile> => {
    const [file] = await site.register([site.makeFile(name, 5000)], { access, study })
    return file as SiteFile
  }
  const stored = async (file: SiteFile): Promise<SiteFile> => {
    const { path, objectId, md5 } = file
    const { code, stderr } = await site.start('ours', ['upload', '--file', path, '--object-id', objectId, '--md5', md5]).finished
    assert.is(code, 0, stderr)
    return file
  }
  const published = async (file: SiteFile): Promise<SiteFile> => {
    await site.publish(await stored(file))
    return file
  }
  const [open, controlled, foreign, draft] = await Promise.all([
    register('open.bam', 'open', ownStudy).then(published),
    register('controlled.bam', 'controlled', ownStudy).then(published),
    register('foreign.bam', 'controlled', otherStudy).then(published),
    register('draft.bam', 'controlled', ownStudy).then(stored),
  ])
  const fresh = await register('fresh.bam', 'controlled', ownStudy)
  const download = (objectId: string, more = '') => ['GET', `/download/${objectId}?offset=0&length=-1&external=false${more}`] as const
  const upload = ({ objectId }: SiteFile) => ['POST', `/upload/${objectId}/uploads?fileSize=5000&overwrite=true`] as const
  return {
    open: download(open.objectId),
    controlled: download(controlled.objectId),
    'of another study': download(foreign.objectId),
    unpublished: download(draft.objectId),
    'unpublished without URLs': download(draft.objectId, '&exclude-urls=true'),
    unknown: download('00000000-0000-4000-8000-000000000000'),
    exists: ['GET', `/upload/${controlled.objectId}`],
    'exists, of another study': ['GET', `/upload/${foreign.objectId}`],
    upload: upload(fresh),
    'upload of what is published': upload(controlled),
    listing: ['GET', '/listing'],
    profile: ['GET', '/profile'],
    ping: ['GET', '/download/ping'],
  }
}

type Answers = Readonly<Record<Make, readonly Answer[]>>

/** What old clients read of a refusal: 401 has no body and a challenge, 403 a text, all else JSON without a word to people. */
function refusalOf({ status, body, type, challenge }: Answer): unknown {
  if (status === 401) return { status, body, challenge: /^Bearer\b/.test(challenge) }
  if (status === 403) return { status, body, type: type.toLowerCase().replaceAll(' ', '') }
  if (status < 400) return { status }
  const { error, path } = JSON.parse(body) as Readonly<Record<string, unknown>>
  return { status, type, error, path }
}

siteSuite('tokens that the original’s server judges, judged by ours', (test) => {
  let targets: Targets | undefined
  let callers: readonly Caller[] = []
  const asked = new Map<string, Promise<Answers>>()

  const askAll = async (site: Site, make: Make, caller: Caller): Promise<readonly Answer[]> => {
    const answers: Answer[] = []
    for (const question of questions) {
      const [method, path] = (targets as Targets)[question]
      answers.push(await ask(method, site.urlOf(make) + path, await caller.authorization()))
    }
    return answers
  }
  // One after the other: both begin uploads of one object in one bucket, and the original fails when an upload that it
  // lists is gone at its next step.
  const askBoth = async (site: Site, caller: Caller): Promise<Answers> => {
    const ours = await askAll(site, 'ours', caller)
    return { ours, original: await askAll(site, 'original', caller) }
  }
  const answersTo = async (site: Site, name: string): Promise<Answers> => {
    if (targets === undefined) {
      targets = await stock(site)
      callers = await callersOf(site.auth)
    }
    const caller = callers.find((one) => one.name === name)
    if (caller === undefined) throw new Error(`there is no caller '${name}'`)
    const known = asked.get(name)
    if (known !== undefined) return known
    const made = askBoth(site, caller)
    asked.set(name, made)
    return made
  }
  const statuses = (answers: readonly Answer[]): readonly number[] => answers.map(({ status }) => status)
  const treated = async (site: Site, make: Make, how: Treatment): Promise<readonly number[]> =>
    'status' in how ? questions.map(() => how.status) : statuses((await answersTo(site, how.as))[make])

  for (const [name, expected] of Object.entries(decided))
    test(`${name}: as the decision table says, at both`, async (site) => {
      const { ours, original } = await answersTo(site, name)
      assert.equal(statuses(ours), expected)
      assert.equal(statuses(original), expected)
    })

  for (const { caller, ours, original, reason } of authDifferences)
    test(`${caller}: otherwise, because ${reason}`, async (site) => {
      const answers = await answersTo(site, caller)
      assert.equal(statuses(answers.ours), await treated(site, 'ours', ours))
      assert.equal(statuses(answers.original), await treated(site, 'original', original))
      assert.not.equal(statuses(answers.ours), statuses(answers.original))
    })

  for (const caller of describing.callers)
    test(`${caller}: ${describing.question} otherwise, because ${describing.reason}`, async (site) => {
      const at = questions.indexOf(describing.question)
      const { ours, original } = await answersTo(site, caller)
      assert.equal([ours[at]?.status, original[at]?.status], [describing.ours, describing.original])
    })

  test('every other caller gets the same answer from both', async (site) => {
    await answersTo(site, 'nobody')
    const others = callers.filter(({ name }) => authDifferences.every(({ caller }) => caller !== name))
    assert.ok(others.length > 30, `${others.length} callers`)
    const otherwise: string[] = []
    for (const { name } of others) {
      const { ours, original } = await answersTo(site, name)
      for (const [at, question] of questions.entries()) {
        const [told, wanted] = [ours, original].map((answers) => JSON.stringify(refusalOf(answers[at] as Answer)))
        const isListed = question === describing.question && describing.callers.some((caller) => caller === name)
        if (told !== wanted && !isListed) otherwise.push(`${name}, asking for ${question}: ${told}, not ${wanted}`)
      }
    }
    assert.equal(otherwise, [])
  })
})
