import { createHash } from 'node:crypto'
import { BlobSASPermissions, generateBlobSASQueryParameters, StorageSharedKeyCredential, type UserDelegationKey } from '@azure/storage-blob'
import * as assert from 'uvu/assert'
import { createSasSigner, type DelegationKey, sasVersion } from '../../../src/storage/azure/sas-query.ts'
import { suite } from '../../support/suite.ts'

/** The same numbers for the same seed. */
function chance(seed: string): (bound: number) => number {
  let state = createHash('sha256').update(seed).digest()
  return (bound) => {
    state = createHash('sha256').update(state).digest()
    return state.readUInt32BE(0) % bound
  }
}

const letters = [...'abcXYZ019-_.~/ +%&=#?äß日😀|{}":,\'()*!@$;[]']

function corpus(count: number) {
  const random = chance('sas')
  const word = (longest: number): string => Array.from({ length: 1 + random(longest) }, () => letters[random(letters.length)]).join('')
  return Array.from({ length: count }, (_, index) => {
    const at = 1_600_000_000_000 + random(2 ** 31) * 100
    return {
      accountName: `account${random(1000)}`,
      accountKey: createHash('sha512').update(`${index}`).digest('base64'),
      container: ['data', 'score-objects', `c${random(99)}`][random(3)] as string,
      blob: word(60),
      policy: index % 3 === 0 ? word(20) : undefined,
      permissions: ['r', 'cw', 'racwd'][random(3)] as string,
      startsOn: new Date(at),
      expiresOn: new Date(at + random(604_800) * 1000 + random(1000)),
    }
  })
}

suite('storage/azure SAS', (test) => {
  test('signatures by the account key equal those of the SDK to the byte', () => {
    let compared = 0
    for (const { accountName, accountKey, container, blob, policy, permissions, startsOn, expiresOn } of corpus(3000)) {
      const sdk = generateBlobSASQueryParameters(
        {
          version: sasVersion,
          containerName: container,
          blobName: blob,
          startsOn,
          expiresOn,
          ...(policy === undefined ? { permissions: BlobSASPermissions.parse(permissions) } : { identifier: policy }),
        },
        new StorageSharedKeyCredential(accountName, accountKey),
      ).toString()
      const rights = policy === undefined ? { permissions } : { policy }
      assert.is(createSasSigner({ accountKey })({ accountName, container, blob, rights, startsOn, expiresOn }), sdk, blob)
      compared++
    }
    assert.is(compared, 3000)
  })

  test('signatures by a user delegation key equal those of the SDK to the byte', () => {
    for (const { accountName, accountKey, container, blob, permissions, startsOn, expiresOn } of corpus(1000)) {
      const key: DelegationKey = {
        objectId: 'd1bbbbbb-775b-5259-bbbd-555e07fbdf24',
        tenantId: '00000000-2070-5761-9dad-a0efeed5315a',
        startsOn: new Date(startsOn.getTime() - 1000),
        expiresOn: new Date(expiresOn.getTime() + 1000),
        service: 'b',
        version: '2026-04-06',
        value: accountKey.slice(0, 44),
      }
      const theirs: UserDelegationKey = {
        signedObjectId: key.objectId,
        signedTenantId: key.tenantId,
        signedStartsOn: key.startsOn,
        signedExpiresOn: key.expiresOn,
        signedService: key.service,
        signedVersion: key.version,
        value: key.value,
      }
      const values = { version: sasVersion, containerName: container, blobName: blob, startsOn, expiresOn }
      const sdk = generateBlobSASQueryParameters(
        { ...values, permissions: BlobSASPermissions.parse(permissions) },
        theirs,
        accountName,
      ).toString()
      assert.is(createSasSigner(key)({ accountName, container, blob, rights: { permissions }, startsOn, expiresOn }), sdk, blob)
    }
  })

  test('one signer signs for one after another, and the same for the same', () => {
    const sign = createSasSigner({ accountKey: Buffer.from('key').toString('base64') })
    const request = {
      accountName: 'account',
      container: 'data',
      rights: { permissions: 'r' },
      startsOn: new Date(0),
      expiresOn: new Date(9e6),
    }
    const [a, b, again] = ['a', 'b', 'a'].map((blob) => sign({ ...request, blob }))
    assert.is.not(a, b)
    assert.is(a, again)
  })
})
