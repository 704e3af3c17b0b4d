import { createEndpoint } from '../auth/endpoint.ts'
import { createKeyReader } from '../auth/token-keys.ts'
import type { CallOptions } from '../core/call-options.ts'
import { isScoreError, ScoreError, toScoreError } from '../core/errors.ts'
import { redactUrl } from '../core/redact.ts'
import { keyPlaceOf, realmUrlOf, type ScoreAuth } from './score-auth.ts'
import type { ScoreStore } from './score-store.ts'
import type { ServerConfig } from './server-settings.ts'
import { createSignedUrlTrials } from './signed-url-checks.ts'

export interface CheckOptions extends CallOptions {
  /** Mend what can be mended: put the sentinel where it is missing. Default false. */
  readonly fix?: boolean
}

export interface CheckOutcome {
  readonly outcome: 'good' | 'fixed' | 'bad'
  /** What was found, and what to do about it. */
  readonly message: string
}

/** One thing that must be right before the service works; it is tried, not read. */
export interface ScoreCheck {
  readonly name: string
  /** Rejects only when it is aborted. */
  run(options?: CheckOptions): Promise<CheckOutcome>
}

export interface ScoreChecksParts {
  readonly config: ServerConfig
  readonly store: ScoreStore
  readonly auth: ScoreAuth
  readonly fetch?: typeof fetch
  readonly now: () => number
}

/** Tokens are taken with a skew of 60 s, and stores refuse signatures that are minutes off. */
const mostSkewSeconds = 60
const answerSeconds = 10

type Try = (options: CheckOptions) => Promise<CheckOutcome>

const good = (message: string): CheckOutcome => ({ outcome: 'good', message })
const bad = (message: string): CheckOutcome => ({ outcome: 'bad', message })

function check(name: string, attempt: Try): ScoreCheck {
  return {
    name,
    async run(options = {}) {
      try {
        return await attempt(options)
      } catch (error) {
        options.signal?.throwIfAborted()
        return bad(toScoreError(error).message)
      }
    },
  }
}

function storeChecks({ store: { backend, layout } }: ScoreChecksParts): ScoreCheck[] {
  const { bucket, key } = layout.sentinel
  const sentinel = check('sentinel', async ({ fix = false, signal }) => {
    const call = signal ? { signal } : {}
    if (await backend.head(layout.sentinel, call)) return good(`bucket '${bucket}' holds '${key}'`)
    if (!fix)
      return bad(`bucket '${bucket}' lacks '${key}', by which clients try the store: run this with --fix, or put an empty object there`)
    await backend.put(layout.sentinel, new Uint8Array(0), call)
    return { outcome: 'fixed', message: `'${key}' was put into bucket '${bucket}'` }
  })
  const buckets = [...new Set([...layout.dataRoots(), ...layout.uploadRoots()].map((root) => root.bucket))]
  const reachable = buckets.map((name) =>
    check(`bucket ${name}`, async ({ signal }) => {
      await backend.head({ bucket: name, key }, signal ? { signal } : {})
      return good(`bucket '${name}' is there and can be read`)
    }),
  )
  return [...reachable, sentinel]
}

/** Whether clients may do with URLs what they are given them for: on Azure that is up to keys, roles and stored policies. */
function signedUrlChecks({ store, fetch: fetcher = fetch }: ScoreChecksParts): ScoreCheck[] {
  if (store.backend.presignObjectWrite === undefined) return []
  const trials = createSignedUrlTrials(store, fetcher)
  return [
    check('signed URLs of downloads', async ({ signal }) => {
      await trials.read(signal ? { signal } : {})
      return good('clients can read by signed URLs')
    }),
    check('signed URLs of uploads', async ({ signal }) => {
      await trials.write(signal ? { signal } : {})
      return good('clients can write by signed URLs')
    }),
  ]
}

function songCheck({ config, fetch: fetcher }: ScoreChecksParts): ScoreCheck[] {
  const url = config.text('metadata.url')
  if (url === undefined) return []
  const song = createEndpoint(`${url.replace(/\/+$/, '')}/isAlive`, {
    timeoutSeconds: answerSeconds,
    ...(fetcher ? { fetch: fetcher } : {}),
  })
  return [
    check('song', async ({ signal }) => {
      const answer = await song.json({}, signal ? { signal } : {})
      return answer === true
        ? good(`Song answers at ${redactUrl(url)}`)
        : bad(`something else than Song answers at ${redactUrl(url)}: check metadata.url, with its path prefix if it has one`)
    }),
  ]
}

function authChecks({ config, auth, fetch: fetcher }: ScoreChecksParts): ScoreCheck[] {
  if (auth.access !== 'secure') return []
  const options = { timeoutSeconds: answerSeconds, ...(fetcher ? { fetch: fetcher } : {}) }
  const keys = keyPlaceOf(config)
  const realmUrl = realmUrlOf(config)
  const { apiKeys } = auth
  return [
    ...(keys === undefined
      ? []
      : [
          check('keys of tokens', async () => {
            await createKeyReader(keys, options).read()
            return good(`the keys at ${redactUrl(Object.values(keys)[0] as string)} can be read`)
          }),
        ]),
    ...(realmUrl === undefined
      ? []
      : [
          check('keycloak', async ({ signal }) => {
            await createEndpoint(`${realmUrl}/.well-known/uma2-configuration`, options).json({}, signal ? { signal } : {})
            return good(`Keycloak knows the realm ${redactUrl(realmUrl)}`)
          }),
        ]),
    ...(apiKeys === undefined
      ? []
      : [
          check('introspection', async ({ signal }) => {
            // A key that nobody has: whoever knows keys says so.
            await apiKeys.verify('00000000-0000-4000-8000-000000000000', signal ? { signal } : {}).catch((error: unknown) => {
              if (!isScoreError(error, 'unauthenticated')) throw error
            })
            return good(`API keys are asked about at ${redactUrl(config.text('auth.server.url') ?? '')}`)
          }),
        ]),
  ]
}

async function skewSeconds(
  url: string,
  fetcher: typeof fetch,
  now: () => number,
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  const timeout = AbortSignal.timeout(answerSeconds * 1000)
  const asked = now()
  const response = await fetcher(url, { method: 'HEAD', redirect: 'manual', signal: signal ? AbortSignal.any([signal, timeout]) : timeout })
  await response.body?.cancel()
  const there = Date.parse(response.headers.get('date') ?? '')
  // The header has whole seconds, and the answer took its time.
  const spread = (now() - asked) / 1000 + 1
  const skew = (asked - there) / 1000
  return Number.isNaN(there) ? undefined : Math.sign(skew) * Math.max(0, Math.abs(skew) - spread)
}

function clockChecks({ config, store, auth, now, fetch: fetcher = fetch }: ScoreChecksParts): ScoreCheck[] {
  const keys = auth.access === 'secure' ? keyPlaceOf(config) : undefined
  const places = [store.endpoint, config.text('metadata.url'), keys === undefined ? undefined : Object.values(keys)[0]]
  const origins = new Set(
    places
      .filter((place) => place !== undefined && URL.canParse(place) && /^https?:/i.test(place))
      .map((place) => new URL(place as string).origin),
  )
  return [...origins].map((origin) =>
    check(`clock of ${origin}`, async ({ signal }) => {
      const skew = await skewSeconds(`${origin}/`, fetcher, now, signal).catch((error: unknown) => {
        signal?.throwIfAborted()
        throw new ScoreError(
          'unavailable',
          `${origin} does not answer, so its clock is not known: ${error instanceof Error ? error.message : String(error)}`,
        )
      })
      if (skew === undefined) return good(`${origin} does not tell its time`)
      if (Math.abs(skew) <= mostSkewSeconds) return good(`${origin} and this machine have the same time`)
      const direction = skew > 0 ? 'ahead of' : 'behind'
      return bad(
        `this machine is ${Math.round(Math.abs(skew))} s ${direction} ${origin}: signatures and tokens are refused for that; set the clock by NTP`,
      )
    }),
  )
}

/** Everything that the parts of a service depend on, in the order in which it is worth trying. */
export function createScoreChecks(parts: ScoreChecksParts): readonly ScoreCheck[] {
  return [...clockChecks(parts), ...storeChecks(parts), ...signedUrlChecks(parts), ...songCheck(parts), ...authChecks(parts)]
}
