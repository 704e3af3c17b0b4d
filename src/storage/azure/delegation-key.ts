import { ScoreError } from '../../core/errors.ts'
import type { AzureCalls } from './azure-calls.ts'
import type { DelegationKey } from './sas-query.ts'

/** Azure gives keys for this long at most, from the start that is asked for. */
const keyLifeMs = 7 * 86_400_000
/** Clocks may differ by so much; the original signs from so long ago. */
export const clockSkewMs = 15 * 60_000

/** The key that URLs are signed with, renewed when it has less life left than the next URL shall have. */
export function createDelegationKeys(calls: AzureCalls, now: () => number): (lifeMs: number) => Promise<DelegationKey> {
  let current: DelegationKey | undefined
  let flight: Promise<DelegationKey> | undefined

  const fetchKey = async (): Promise<DelegationKey> => {
    const startsOn = new Date(now() - clockSkewMs)
    const expiresOn = new Date(startsOn.getTime() + keyLifeMs)
    const context = { doing: 'give a user delegation key, which URLs are signed with', subject: 'bucket' } as const
    const answer = await calls.run(context, async ({ abortSignal }) => {
      const { client } = await calls.open()
      return client.getUserDelegationKey(startsOn, expiresOn, { abortSignal })
    })
    const { signedObjectId, signedTenantId, signedStartsOn, signedExpiresOn, signedService, signedVersion, value } = answer
    if (!value || !signedObjectId || !signedTenantId)
      throw new ScoreError('store-protocol', 'the Azure store gave a user delegation key without value, object or tenant')
    return {
      objectId: signedObjectId,
      tenantId: signedTenantId,
      startsOn: signedStartsOn,
      expiresOn: signedExpiresOn,
      service: signedService,
      version: signedVersion,
      value,
    }
  }

  return async (lifeMs) => {
    const wanted = Math.min(lifeMs, keyLifeMs - 2 * clockSkewMs)
    if (current !== undefined && current.expiresOn.getTime() - now() >= wanted) return current
    flight ??= fetchKey().finally(() => {
      flight = undefined
    })
    current = await flight
    return current
  }
}
