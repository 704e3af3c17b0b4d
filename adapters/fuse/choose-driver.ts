import { ScoreError } from '../../src/index.ts'
import type { FuseDriver } from './fuse-driver.ts'
import { createFuseNativeDriver } from './fuse-native-driver.ts'
import { loadFuseNative } from './fuse-native-library.ts'
import { mayMount } from './kernel-attach.ts'
import { createKernelDriver } from './kernel-driver.ts'

/** Ways to speak to the kernel, the preferred first. */
const drivers: Readonly<Record<string, () => FuseDriver>> = {
  'fuse-native': () => createFuseNativeDriver(),
  kernel: () => createKernelDriver(),
}

export interface DriverSigns {
  /** Throws where fuse-native cannot be loaded. */
  readonly load?: () => unknown
  /** Whether the driver kernel could mount. */
  readonly mayMount?: () => boolean
}

/** fuse-native where it can be loaded; it also says why nothing can, where the other cannot be used either. */
function preferred({ load = loadFuseNative, mayMount: may = mayMount }: DriverSigns): string {
  try {
    load()
    return 'fuse-native'
  } catch {
    return may() ? 'kernel' : 'fuse-native'
  }
}

/**
 * A driver by name; `auto` is fuse-native where it can be loaded, else `kernel` where this user may mount.
 *
 * @throws `invalid-configuration` for one that is not here.
 */
export function chooseDriver(name: string, signs: DriverSigns = {}): FuseDriver {
  const chosen = name === 'auto' ? preferred(signs) : name
  const make = Object.hasOwn(drivers, chosen) ? drivers[chosen] : undefined
  if (make) return make()
  throw new ScoreError(
    'invalid-configuration',
    `the driver '${name}' is not part of this version; there is: ${Object.keys(drivers).join(', ')}`,
  )
}
