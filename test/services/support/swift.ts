import { mkdir, writeFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../support/free-port.ts'
import { answers, openProcessHouse, type ProcessHouse } from './process-house.ts'
import type { StoreProgram } from './store-program.ts'

export const swift: StoreProgram = {
  name: 'swift',
  packages: ['swift-proxy', 'swift-account', 'swift-container', 'swift-object', 'python3-swift', 'memcached'],
  commands: ['swift-proxy-server', 'swift-account-server', 'swift-container-server', 'swift-object-server', 'memcached'],
}

export const swiftCredentials = { accessKeyId: 'test:tester', secretAccessKey: 'testing' }

const kinds = ['account', 'container', 'object'] as const

type Ports = Readonly<Record<(typeof kinds)[number] | 'proxy' | 'memcached', number>>

/** One Python process for three rings: `swift-ring-builder` takes seconds for each step. */
const ringScript = `
import sys
from swift.common.ring import RingBuilder
for pair in sys.argv[2:]:
    kind, port = pair.split(':')
    builder = RingBuilder(1, 1, 0)
    builder.add_dev(dict(region=1, zone=1, ip='127.0.0.1', port=int(port), device='sdb1', weight=1.0,
                         replication_ip='127.0.0.1', replication_port=int(port), meta=''))
    builder.rebalance()
    builder.get_ring().save(sys.argv[1] + '/' + kind + '.ring.gz')
`

function section(name: string, lines: Readonly<Record<string, string | number>>): string {
  return `[${name}]\n${Object.entries(lines)
    .map(([key, value]) => `${key} = ${value}\n`)
    .join('')}\n`
}

function serverConfig(kind: string, folder: string, port: number): string {
  const shared = { bind_ip: '127.0.0.1', bind_port: port, workers: 0, mount_check: 'false', user: userInfo().username }
  return (
    section('DEFAULT', { ...shared, devices: `${folder}/srv`, swift_dir: `${folder}/etc` }) +
    section('pipeline:main', { pipeline: `${kind}-server` }) +
    section(`app:${kind}-server`, { use: `egg:swift#${kind}` })
  )
}

function proxyConfig(folder: string, ports: Ports): string {
  const pipeline =
    'catch_errors proxy-logging cache listing_formats bulk tempurl s3api tempauth copy slo dlo versioned_writes symlink proxy-logging proxy-server'
  const filters: Readonly<Record<string, Readonly<Record<string, string | number>>>> = {
    catch_errors: {},
    'proxy-logging': {},
    cache: { memcache_servers: `127.0.0.1:${ports.memcached}` },
    listing_formats: {},
    bulk: {},
    tempurl: {},
    s3api: {
      location: 'us-east-1',
      min_segment_size: 5_242_880,
      max_upload_part_num: 10_000,
      check_bucket_owner: 'false',
      storage_domain: 'localhost',
    },
    tempauth: { user_test_tester: 'testing .admin', user_test_reader: 'reading' },
    copy: {},
    slo: { max_manifest_segments: 10_000, max_manifest_size: 67_108_864 },
    dlo: {},
    versioned_writes: { allow_versioned_writes: 'true' },
    symlink: {},
  }
  const names: Readonly<Record<string, string>> = { 'proxy-logging': 'proxy_logging', cache: 'memcache' }
  return [
    section('DEFAULT', { bind_ip: '127.0.0.1', bind_port: ports.proxy, workers: 0, user: userInfo().username, swift_dir: `${folder}/etc` }),
    section('pipeline:main', { pipeline }),
    section('app:proxy-server', { use: 'egg:swift#proxy', account_autocreate: 'true' }),
    ...Object.entries(filters).map(([name, lines]) => section(`filter:${name}`, { use: `egg:swift#${names[name] ?? name}`, ...lines })),
  ].join('')
}

async function writeConfigs({ folder }: ProcessHouse, ports: Ports): Promise<string> {
  const etc = join(folder, 'etc')
  await mkdir(join(folder, 'srv', 'sdb1'), { recursive: true })
  await mkdir(etc)
  const hash = section('swift-hash', { swift_hash_path_prefix: 'score', swift_hash_path_suffix: 'score' })
  await writeFile(join(etc, 'swift.conf'), hash + section('storage-policy:0', { name: 'gold', default: 'yes' }))
  for (const kind of kinds) await writeFile(join(etc, `${kind}-server.conf`), serverConfig(kind, folder, ports[kind]))
  await writeFile(join(etc, 'proxy-server.conf'), proxyConfig(folder, ports))
  await writeFile(join(folder, 'rings.py'), ringScript)
  return etc
}

/** OpenStack Swift of Debian with its S3 interface: four servers and memcached. */
export async function startSwiftProcesses(): Promise<ProcessHouse & { readonly endpoint: string }> {
  const house = await openProcessHouse()
  try {
    const ports: Record<string, number> = {}
    for (const name of [...kinds, 'proxy', 'memcached']) ports[name] = await freePort()
    const etc = await writeConfigs(house, ports as Ports)
    // Debian's own Python has Swift; another one may come first on the path.
    await house.run('/usr/bin/python3', [join(house.folder, 'rings.py'), etc, ...kinds.map((kind) => `${kind}:${ports[kind]}`)])
    house.start('memcached', 'memcached', ['-u', userInfo().username, '-l', '127.0.0.1', '-p', String(ports['memcached'])])
    for (const kind of [...kinds, 'proxy'])
      house.start(`swift-${kind}`, `swift-${kind}-server`, [join(etc, `${kind}-server.conf`), 'verbose'])
    const endpoint = `http://127.0.0.1:${ports['proxy']}`
    await house.until('swift starts', async () => {
      const probes = await Promise.all([...kinds, 'proxy'].map((kind) => answers(`http://127.0.0.1:${ports[kind]}`)))
      return probes.every(Boolean)
    })
    return { ...house, endpoint }
  } catch (error) {
    await house.stop()
    throw error
  }
}
