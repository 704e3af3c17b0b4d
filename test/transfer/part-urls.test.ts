import * as assert from 'uvu/assert'
import { isScoreError, ScoreError } from '../../src/core/errors.ts'
import type { SignedPart } from '../../src/core/object-spec.ts'
import { urlLife } from '../../src/core/url-life.ts'
import { createPartUrls, type PartUrls } from '../../src/transfer/part-urls.ts'
import { suite } from '../support/suite.ts'

const at = Date.UTC(2026, 10, 24, 12, 0, 0)

suite('life of a URL', (test) => {
  const rows: readonly (readonly [string, number | undefined, number | undefined])[] = [
    ['https://s/o?X-Amz-Date=20261124T120000Z&X-Amz-Expires=60&X-Amz-Signature=x', at, at + 60_000],
    ['https://s/o?x-amz-date=20261124T120000Z&x-amz-expires=60', at, at + 60_000],
    ['https://s/o?X-Amz-Date=20261124T120000%2B0000&X-Amz-Expires=60', at, at + 60_000],
    ['https://s/o?X-Goog-Date=20261124T120000Z&X-Goog-Expires=5', at, at + 5000],
    [`https://s/o?AWSAccessKeyId=k&Expires=${at / 1000}&Signature=a%2Bb`, undefined, at],
    [`https://s/o?expires=${at / 1000}&Expires=1`, undefined, at],
    ['https://s/o?sv=2021&se=2026-11-24T12%3A00%3A00Z&sig=x', undefined, at],
    ['https://s/o?se=2026-11-24T12%3A00Z', undefined, at],
    ['https://s/o?se=2026-11-24T13%3A00%3A00%2B01%3A00', undefined, at],
    ['https://s/o?X-Amz-Date=yesterday&X-Amz-Expires=60', undefined, undefined],
    ['https://s/o?Expires=Tue%2C%2024%20Nov', undefined, undefined],
    ['https://s/o?X-Amz-Date=20261124T120000Z', undefined, undefined],
    ['https://s/o', undefined, undefined],
    ['not a url', undefined, undefined],
  ]
  for (const [url, signedAt, expiresAt] of rows) {
    test(url, () => {
      const life = urlLife(url)
      assert.is(life.signedAt, signedAt)
      assert.is(life.expiresAt, expiresAt)
    })
  }
})

interface Bench {
  readonly urls: PartUrls
  readonly parts: SignedPart[]
  readonly reasons: string[]
  now: number
  /** Life of URLs signed from now on, s. */
  life: number
  /** How far the signer's clock is ahead, ms. */
  skew: number
  /** The same URLs for ever, as the original's uploads. */
  frozen: boolean
  renewals: number
}

const refusal = (): ScoreError => new ScoreError('url-expired', 'the store answered 403 AccessDenied')

function bench(
  options: {
    direction?: 'upload' | 'download'
    life?: number
    skew?: number
    frozen?: boolean
    renew?: (parts: SignedPart[]) => SignedPart[]
  } = {},
): Bench {
  const state = {
    now: at,
    life: options.life ?? 3600,
    skew: options.skew ?? 0,
    frozen: options.frozen ?? false,
    renewals: 0,
    reasons: [] as string[],
  }
  const sign = (): SignedPart[] =>
    [1, 2, 3].map((number) => {
      const date = new Date(state.now + state.skew).toISOString().replace(/[-:]|\.\d+/g, '')
      return {
        number,
        range: { start: number * 10, end: number * 10 + 10 },
        url: `https://s/${number}?X-Amz-Date=${date}&X-Amz-Expires=${state.life}`,
      }
    })
  const first = sign()
  const urls = createPartUrls({
    objectId: 'o',
    direction: options.direction ?? 'download',
    parts: first,
    now: () => state.now,
    onRenewal: (reason) => state.reasons.push(reason),
    async renew() {
      state.renewals++
      await Promise.resolve()
      const fresh = state.frozen ? first : sign()
      return options.renew ? options.renew(fresh) : fresh
    },
  })
  return Object.assign(state, { urls, parts: first })
}

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'none',
    (error: unknown) => (isScoreError(error) ? error.code : String(error)),
  )

suite('URLs of parts', (test) => {
  const part = (b: Bench, index = 0): SignedPart => b.parts[index] as SignedPart

  test('used as they are while they last', async () => {
    const b = bench()
    assert.is(await b.urls.with(part(b), async (url) => url), part(b).url)
    assert.is(b.renewals, 0)
  })

  test('renewed before they run out, once for all parts', async () => {
    const b = bench()
    b.now += 3_590_000
    const used = await Promise.all(b.parts.map((one) => b.urls.with(one, async (url) => url)))
    assert.is(b.renewals, 1)
    assert.ok(used.every((url, index) => url !== b.parts[index]?.url))
  })

  test('a URL that outlasts three parts as slow as the slowest is needed', async () => {
    const b = bench()
    b.urls.tookMs(600_000)
    b.now += 1_790_000
    await b.urls.with(part(b), async () => undefined)
    assert.is(b.renewals, 0)
    b.now += 20_000
    await b.urls.with(part(b), async () => undefined)
    assert.is(b.renewals, 1)
  })

  test('short-lived URLs are not renewed for every part', async () => {
    const b = bench({ life: 30 })
    b.now += 14_000
    await b.urls.with(part(b), async () => undefined)
    assert.is(b.renewals, 0)
    b.now += 2000
    await b.urls.with(part(b), async () => undefined)
    await b.urls.with(part(b, 1), async () => undefined)
    assert.is(b.renewals, 1)
  })

  test("the signer's clock counts, not ours", async () => {
    for (const skew of [-7_200_000, 7_200_000]) {
      const b = bench({ skew })
      await b.urls.with(part(b), async () => undefined)
      assert.is(b.renewals, 0, `skew ${skew}`)
      b.now += 3_590_000
      await b.urls.with(part(b), async () => undefined)
      assert.is(b.renewals, 1, `skew ${skew}`)
    }
  })

  test('a refusal gets one fresh URL; those refused with the old one share it', async () => {
    const b = bench()
    b.now += 5000
    const results = await Promise.all(
      b.parts.map((one) =>
        b.urls.with(one, async (url) => {
          if (url === one.url) throw refusal()
          return 'ok'
        }),
      ),
    )
    assert.equal(results, ['ok', 'ok', 'ok'])
    assert.is(b.renewals, 1)
    assert.match(b.reasons[0] as string, 'refused')
  })

  test('a fresh URL that is refused is a denial; one that is a minute old gets another', async () => {
    const b = bench()
    let asked = 0
    const deny = async (): Promise<never> => {
      asked++
      throw refusal()
    }
    assert.is(await codeOf(b.urls.with(part(b), deny)), 'access-denied')
    assert.is(asked, 2)
    assert.is(await codeOf(b.urls.with(part(b, 1), deny)), 'access-denied')
    assert.is(asked, 3, 'no further fresh URL is asked for')
    b.now += 61_000
    assert.is(await codeOf(b.urls.with(part(b, 1), deny)), 'access-denied')
    assert.is(b.renewals, 2)
  })

  test('a store that always refuses, slowly, is not asked for ever', async () => {
    const b = bench()
    let asked = 0
    const slow = async (): Promise<never> => {
      asked++
      b.now += 70_000
      throw refusal()
    }
    assert.is(await codeOf(b.urls.with(part(b), slow)), 'access-denied')
    assert.is(asked, 4)
  })

  test('a service that cannot sign again: used until refused, then the window is over', async () => {
    const b = bench({ direction: 'upload', frozen: true })
    b.now += 3_590_000
    await b.urls.with(part(b), async (url) => assert.is(url, part(b).url))
    await b.urls.with(part(b, 1), async () => undefined)
    assert.is(b.renewals, 1, 'it is not asked again and again')
    b.now += 20_000
    const error = await b.urls
      .with(part(b), async () => {
        throw refusal()
      })
      .then(String, (reason: Error) => reason)
    assert.ok(isScoreError(error, 'url-expired'), String(error))
    assert.match(error.message, 'window of this upload is over')
    assert.match(error.message, '--force')
  })

  for (const [what, change] of [
    ['fewer parts', (parts: SignedPart[]) => parts.slice(1)],
    ['another size', (parts: SignedPart[]) => parts.map((one) => ({ ...one, range: { ...one.range, end: one.range.end + 1 } }))],
    ['other numbers', (parts: SignedPart[]) => parts.map((one) => ({ ...one, number: one.number + 1 }))],
  ] as const) {
    test(`another plan is another object: ${what}`, async () => {
      const b = bench({ renew: change })
      b.now += 3_590_000
      assert.is(await codeOf(b.urls.with(part(b), async () => undefined)), 'object-changed')
    })
  }

  test('a renewal that failed is tried again by the next', async () => {
    let fails = true
    const b = bench({
      renew: (parts) => {
        if (fails) throw new ScoreError('unavailable', 'planned')
        return parts
      },
    })
    b.now += 3_590_000
    assert.is(await codeOf(b.urls.with(part(b), async () => undefined)), 'unavailable')
    fails = false
    assert.is(await codeOf(b.urls.with(part(b), async () => undefined)), 'none')
  })
})
