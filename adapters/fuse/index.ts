export type { FuseDriver, MountedFolder, MountRequest } from './fuse-driver.ts'
export { createFuseNativeDriver, type FuseNativeDriverOptions } from './fuse-native-driver.ts'
export type { FuseNativeLibrary, NativeMount, NativeOperations, NativeStat, NativeStatfs } from './fuse-native-library.ts'
export { unmountFolder } from './unmount-folder.ts'
