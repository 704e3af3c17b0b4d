import { type Azurite, azuriteAccount, startAzurite } from '../../support/azurite.ts'
import { createWorld, type World } from './world.ts'

export interface AzureWorld extends World {
  readonly azurite: Azurite
}

/** The environment of an original deployment on Azure, but for its Song and its tokens, which a data folder gives. */
export function azureEnvironment({ endpoint }: Azurite): Readonly<Record<string, string>> {
  return {
    SPRING_PROFILES_ACTIVE: 'azure',
    AZURE_ACCOUNTNAME: azuriteAccount.accountName,
    AZURE_ACCOUNTKEY: azuriteAccount.accountKey,
    AZURE_ENDPOINT: endpoint,
    BUCKET_NAME_OBJECT: 'data',
    SCORE_AUTH: 'token',
    SERVER_ADDRESS: '127.0.0.1',
  }
}

/** `score serve` with the profile azure on Azurite. */
export async function createAzureWorld(): Promise<AzureWorld> {
  const azurite = await startAzurite({ kept: true })
  await (await azurite.container('data')).getBlockBlobClient('heliograph').upload('', 0)
  const world = await createWorld(azureEnvironment(azurite)).catch(async (error: unknown) => {
    await azurite.stop()
    throw error
  })
  return {
    ...world,
    azurite,
    async close() {
      await world.close()
      await azurite.stop()
    },
  }
}
