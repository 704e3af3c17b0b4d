import type { Registered, World } from './world.ts'

export function uploadArgs(file: Registered): string[] {
  return ['upload', '--file', file.path, '--object-id', file.objectId, '--md5', file.md5]
}

export async function registerOne(world: World, name: string, size: number): Promise<Registered> {
  const [file] = await world.register('TEST-CA', [world.makeFile(name, size)])
  if (file === undefined) throw new Error(`${name} was not registered`)
  return file
}

export async function isStored(world: World, objectId: string): Promise<string> {
  return await (await world.get(`/upload/${objectId}`)).text()
}
