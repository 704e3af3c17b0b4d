import { ScoreError } from '../../src/index.ts'
import type { FuseDriver } from './fuse-driver.ts'
import { createFuseNativeDriver } from './fuse-native-driver.ts'

/** Ways to speak to the kernel, the preferred first. */
const drivers: Readonly<Record<string, () => FuseDriver>> = {
  'fuse-native': () => createFuseNativeDriver(),
}

/** A driver by name; `auto` is the preferred one. @throws `invalid-configuration` for one that is not here. */
export function chooseDriver(name: string): FuseDriver {
  const make = name === 'auto' ? drivers['fuse-native'] : Object.hasOwn(drivers, name) ? drivers[name] : undefined
  if (make) return make()
  throw new ScoreError(
    'invalid-configuration',
    `the driver '${name}' is not part of this version; there is: ${Object.keys(drivers).join(', ')}`,
  )
}
