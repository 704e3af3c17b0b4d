import * as assert from 'uvu/assert'
import { chooseDriver } from '../../../adapters/fuse/choose-driver.ts'
import { requireMayMount } from '../../../adapters/fuse/kernel-attach.ts'
import { suite } from '../../support/suite.ts'

const statusOf = (effective: string): string => `Name:\tnode\nCapPrm:\t000001ffffffffff\nCapEff:\t${effective}\nCapBnd:\t000001ffffffffff\n`

suite('adapters/fuse/kernel-attach, choose-driver', (test) => {
  test('root, and root of a user namespace, may mount', () => {
    requireMayMount(0, statusOf('000001ffffffffff'))
    requireMayMount(0, statusOf('0000000000200000'))
  })

  const refused: readonly (readonly [who: string, uid: number, effective: string, says: RegExp])[] = [
    ['a plain user', 1000, '0000000000000000', /CAP_SYS_ADMIN.*driver fuse-native.*unshare -Urm/],
    ['root of a container', 0, '00000000a80425fb', /--cap-add SYS_ADMIN.*unshare -Urm/],
  ]
  for (const [who, uid, effective, says] of refused)
    test(`${who} is refused, with the ways out`, () => {
      assert.throws(
        () => requireMayMount(uid, statusOf(effective)),
        (error: Error & { readonly code?: string }) => error.code === 'invalid-configuration' && says.test(error.message),
      )
    })

  const load = (works: boolean) => (): void => {
    if (!works) throw new Error('cannot be loaded')
  }
  const chosen: readonly (readonly [name: string, loads: boolean, may: boolean, driver: string])[] = [
    ['auto', true, true, 'fuse-native'],
    ['auto', true, false, 'fuse-native'],
    ['auto', false, true, 'kernel'],
    ['auto', false, false, 'fuse-native'],
    ['kernel', true, false, 'kernel'],
    ['fuse-native', false, true, 'fuse-native'],
  ]
  for (const [name, loads, may, driver] of chosen)
    test(`${name}, fuse-native ${loads ? 'there' : 'not there'}, mounting ${may ? 'allowed' : 'not allowed'}: ${driver}`, () => {
      assert.is(chooseDriver(name, { load: load(loads), mayMount: () => may }).name, driver)
    })

  test('a driver that nobody knows is refused', () => {
    assert.throws(() => chooseDriver('toString'), /there is: fuse-native, kernel/)
  })
})
