/**
 * Counts the reads of regions of a stored BAM or CRAM, without fetching it: only its header, its index and the blocks at
 * hand are read. In a project of your own: `score-sdk`.
 *
 * Run it: `STORAGE_URL=… METADATA_URL=… ACCESSTOKEN=… npx tsx examples/count-reads.ts OBJECT_ID REGION...`
 */
import { countRegions, createBamSlicer, createScoreClient, createSongMetadata, openObjectReads } from '../src/index.ts'

const { STORAGE_URL = 'http://127.0.0.1:5431', METADATA_URL = STORAGE_URL, ACCESSTOKEN: token = '' } = process.env
const [objectId = '', ...regions] = process.argv.slice(2)

const api = createScoreClient({ url: STORAGE_URL, token })
const metadata = createSongMetadata({ url: METADATA_URL, token })
const reads = await openObjectReads({ api, metadata }, objectId)
const slicer = createBamSlicer(reads, { name: reads.entity.fileName })

for (const { region, reads: count } of await countRegions(slicer, regions)) console.log(`${region}\t${count}`)
await reads.close()
