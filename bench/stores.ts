import { spawnSync } from 'node:child_process'
import { createHash, randomFillSync } from 'node:crypto'
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { parseArgs } from 'node:util'
import { DeleteObjectCommand } from '@aws-sdk/client-s3'
import { type S3TestStore, s3Stores } from '../test/services/support/s3-stores.ts'
import { startScoreServer } from '../test/services/support/score-process.ts'
import { completionCost, requestsPerPart } from './store-control-plane.ts'
import { median, spread } from './transfer-report.ts'

/**
 * One large file to each real store and back, by `score` and by the tools that people use, all as processes, in interleaved
 * rounds; then what a completion costs, and how many requests a part costs. Only ratios within a run mean anything.
 *
 * `npm run bench:stores [-- --stores minio,ceph --rounds 3 --size-mib 1024 --parts 3000]`. Peers are looked for on the path and in
 * `$XDG_CACHE_HOME/score-sdk-peers/bin`; the stores are those of `npm run test:services`. Fails when a floor is missed.
 */
const { values } = parseArgs({
  options: {
    stores: { type: 'string', default: Object.keys(s3Stores).join(',') },
    rounds: { type: 'string', default: '3' },
    'size-mib': { type: 'string', default: '1024' },
    parts: { type: 'string', default: '3000' },
    folder: { type: 'string', default: existsSync('/dev/shm') ? '/dev/shm' : tmpdir() },
    only: { type: 'string', default: '' },
  },
})
const mib = 1024 * 1024
const size = Number(values['size-mib']) * mib
const rounds = Number(values.rounds)
const study = 'BENCH'
const program = join(import.meta.dirname, '../dist/bin/score.js')
const peers = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'score-sdk-peers', 'bin')
const path = `${peers}${delimiter}${process.env['PATH'] ?? ''}`

/** One way of moving the file: a command line, run by the shell. */
interface Way {
  readonly name: string
  readonly direction: 'upload' | 'download'
  readonly command: string
  /** Of ours; the others are compared with it. */
  readonly ours?: true
  /** Leaves the file as proven as ours does. */
  readonly proven: boolean
}

function has(command: string): boolean {
  return path.split(delimiter).some((folder) => existsSync(join(folder, command)))
}

function makeFile(file: string): string {
  const hash = createHash('md5')
  const piece = Buffer.allocUnsafe(8 * mib)
  writeFileSync(file, '')
  for (let at = 0; at < size; at += piece.length) {
    const bytes = randomFillSync(piece).subarray(0, Math.min(piece.length, size - at))
    hash.update(bytes)
    appendFileSync(file, bytes)
  }
  return hash.digest('hex')
}

function shell(command: string, env: Readonly<Record<string, string>>, cwd: string): { seconds: number; stdout: string } {
  const started = performance.now()
  const { status, stdout, stderr } = spawnSync('bash', ['-c', `set -e -o pipefail\n${command}`], { cwd, env, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command}\nended with ${status}:\n${stdout}${stderr}`)
  return { seconds: (performance.now() - started) / 1000, stdout }
}

function peerEnvironment({ endpoint, credentials: { accessKeyId, secretAccessKey } }: S3TestStore, home: string): Record<string, string> {
  return {
    PATH: path,
    HOME: home,
    RCLONE_CONFIG: '/dev/null',
    RCLONE_CONFIG_STORE_TYPE: 's3',
    RCLONE_CONFIG_STORE_PROVIDER: 'Other',
    RCLONE_CONFIG_STORE_ENDPOINT: endpoint,
    RCLONE_CONFIG_STORE_ACCESS_KEY_ID: accessKeyId,
    RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY: secretAccessKey,
    MC_HOST_store: endpoint.replace('://', `://${encodeURIComponent(accessKeyId)}:${secretAccessKey}@`),
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_REGION: 'us-east-1',
    AWS_REQUEST_CHECKSUM_CALCULATION: 'when_required',
    AWS_RESPONSE_CHECKSUM_VALIDATION: 'when_required',
  }
}

/** What each tool is told: parts as large as ours, as many at once. */
function waysOf(store: S3TestStore, objectId: string): Way[] {
  const { bucket, endpoint } = store
  const score = `node ${program} --silent`
  const ways: Way[] = [
    { name: 'score', direction: 'upload', command: `${score} upload --manifest manifest.txt --force`, ours: true, proven: true },
    {
      name: 'score',
      direction: 'download',
      command: `${score} download --object-id ${objectId} --output-dir . --force`,
      ours: true,
      proven: true,
    },
  ]
  const add = (name: string, up: string, down: string): void => {
    if (!has(name.split(' ')[0] as string)) return void console.log(`(${name} is not here)`)
    ways.push({ name, direction: 'upload', command: up, proven: false })
    ways.push({ name: `md5sum, then ${name}`, direction: 'upload', command: `md5sum source.bin >/dev/null; ${up}`, proven: true })
    ways.push({ name, direction: 'download', command: down, proven: false })
    ways.push({ name: `${name}, then md5sum`, direction: 'download', command: `${down}; md5sum back.bin >/dev/null`, proven: true })
  }
  const tuned = '--s3-no-check-bucket --s3-chunk-size 20M --s3-upload-concurrency 8 --multi-thread-streams 8 --multi-thread-cutoff 64M'
  add(
    'rclone',
    `rclone -q copyto source.bin store:${bucket}/peer ${tuned}`,
    `rclone -q copyto store:${bucket}/peer back.bin ${tuned} --ignore-times`,
  )
  add('mc', `mc --quiet cp source.bin store/${bucket}/peer >/dev/null`, `mc --quiet cp store/${bucket}/peer back.bin >/dev/null`)
  const aws = `aws --endpoint-url ${endpoint} s3 cp --quiet`
  add('aws', `${aws} source.bin s3://${bucket}/peer`, `${aws} s3://${bucket}/peer back.bin`)
  return ways
}

function report(name: string, direction: Way['direction'], ways: readonly Way[], times: ReadonlyMap<string, readonly number[]>): boolean {
  const of = (way: Way): readonly number[] => times.get(way.command) ?? []
  const ours = ways.find((way) => way.ours && way.direction === direction) as Way
  let held = true
  console.log(
    `\n${name}, ${direction} of ${size / mib} MiB: seconds min / median / max, and how much faster score is (median of the rounds)`,
  )
  for (const way of ways.filter((one) => one.direction === direction)) {
    const ratios = of(way).map((seconds, round) => seconds / (of(ours)[round] ?? Number.NaN))
    const floor = way.proven && !way.ours
    const missed = floor && median(ratios) < 1
    held &&= !missed
    const verdict = way.ours ? '' : `x${spread(ratios, 2)}${floor ? (missed ? '  BELOW THE FLOOR of 1' : '  (floor 1)') : ''}`
    console.log(`  ${way.name.padEnd(24)} ${spread(of(way), 2).padEnd(24)} ${verdict}`)
  }
  return held
}

async function benchTransfers(name: string, store: S3TestStore): Promise<boolean> {
  const folder = mkdtempSync(join(values.folder, 'score-bench-stores-'))
  const { accessKeyId, secretAccessKey } = store.credentials
  const server = await startScoreServer({
    program: [program],
    cwd: folder,
    env: {
      SPRING_PROFILES_ACTIVE: 's3',
      S3_ENDPOINT: store.endpoint,
      S3_ACCESSKEY: accessKeyId,
      S3_SECRETKEY: secretAccessKey,
      BUCKET_NAME_OBJECT: store.bucket,
      BUCKET_NAME_STATE: store.bucket,
      SCORE_DATA: join(folder, 'catalogue'),
      SCORE_AUTH: 'token',
      SERVER_PORT: '0',
      SERVER_ADDRESS: '127.0.0.1',
    },
  })
  try {
    makeFile(join(folder, 'source.bin'))
    const token = readFileSync(join(folder, 'catalogue', 'token'), 'utf8').trim()
    const env = { ...peerEnvironment(store, folder), STORAGE_URL: server.url, METADATA_URL: server.url, ACCESSTOKEN: token }
    const score = (args: string): string => shell(`node ${program} ${args}`, env, folder).stdout
    await store.backend.put({ bucket: store.bucket, key: 'data/heliograph' }, new Uint8Array(0))
    writeFileSync(join(folder, 'manifest.txt'), score(`register --study ${study} source.bin`))
    const [head = '', row = ''] = readFileSync(join(folder, 'manifest.txt'), 'utf8').split('\n')
    const [analysisId = '', objectId = ''] = [head.split('\t')[0], row.split('\t')[0]]
    const ways = waysOf(store, objectId)
    const times = new Map<string, number[]>(ways.map((way) => [way.command, []]))
    for (const direction of ['upload', 'download'] as const) {
      if (direction === 'download') score(`publish ${analysisId} --study ${study}`)
      const chosen = ways.filter((way) => way.direction === direction)
      for (let round = 0; round < rounds; round++)
        for (const way of chosen) {
          if (direction === 'upload' && !way.ours) await store.client.send(new DeleteObjectCommand({ Bucket: store.bucket, Key: 'peer' }))
          rmSync(join(folder, 'back.bin'), { force: true })
          times.get(way.command)?.push(shell(way.command, env, folder).seconds)
        }
    }
    const [up, down] = [report(name, 'upload', ways, times), report(name, 'download', ways, times)]
    return up && down
  } finally {
    await server.end()
    rmSync(folder, { recursive: true })
  }
}

let held = true
const stores = values.stores.split(',') as (keyof typeof s3Stores)[]
for (const name of stores) {
  if (values.only === 'control') continue
  const store = await s3Stores[name].start()
  try {
    held = (await benchTransfers(name, store)) && held
    await requestsPerPart(name, store)
  } finally {
    await store.stop()
  }
}
if (values.only !== 'transfers')
  for (const name of stores) {
    const parts = name === 'ceph' ? Number(values.parts) : Math.min(100, Number(values.parts))
    if (parts > 0 && name !== 'swift') held = (await completionCost({ name, parts, rounds })) && held
  }
process.exitCode = held ? 0 : 1
