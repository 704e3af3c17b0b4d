import { randomBytes, randomUUID } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from '../../support/free-port.ts'
import { answers, openProcessHouse, type ProcessHouse } from './process-house.ts'
import type { StoreProgram } from './store-program.ts'

export const ceph: StoreProgram = {
  name: 'ceph',
  packages: ['ceph-mon', 'ceph-osd', 'radosgw'],
  commands: ['ceph-mon', 'ceph-osd', 'radosgw', 'radosgw-admin', 'monmaptool', 'ceph-authtool', 'ceph'],
}

export interface CephOptions {
  /** Least size of a part that is not the last; S3's 5 MiB by default. */
  readonly minimumPartBytes?: number
}

const gateway = 'client.rgw'
const userModes = ['mon client', 'mon service', 'mon cluster', 'client', 'service', 'cluster']

function section(name: string, lines: Readonly<Record<string, string | number>>): string {
  return `[${name}]\n${Object.entries(lines)
    .map(([key, value]) => `  ${key} = ${value}\n`)
    .join('')}`
}

interface Plan {
  readonly folder: string
  readonly fsid: string
  readonly monitors: string
  readonly port: number
  readonly minimumPartBytes: number
}

function globalLines({ folder, fsid, monitors }: Plan): Readonly<Record<string, string | number>> {
  return {
    fsid,
    'mon host': monitors,
    'public addr': '127.0.0.1',
    'ms bind ipv6': 'false',
    'auth cluster required': 'none',
    'auth service required': 'none',
    'auth client required': 'none',
    keyring: `${folder}/keyring`,
    'run dir': `${folder}/run`,
    'admin socket': `${folder}/run/$name.asok`,
    'log file': `${folder}/log/$name.log`,
    'mon cluster log file': `${folder}/log/cluster.log`,
    'pid file': `${folder}/run/$name.pid`,
    'crash dir': `${folder}/crash`,
    'mon data': `${folder}/mon`,
    'osd data': `${folder}/osd`,
    'osd crush chooseleaf type': 0,
    'osd pool default size': 1,
    'osd pool default min size': 1,
    'osd pool default pg num': 1,
    'osd pool default pgp num': 1,
    'osd pool default pg autoscale mode': 'off',
    'mon allow pool size one': 'true',
    'mon max pg per osd': 1000,
    // Without these a cluster takes three times as long to agree with itself.
    'paxos propose interval': 0.02,
    'paxos min wait': 0.01,
    'mon election timeout': 1,
    'mon tick interval': 1,
    // A full disk of the machine is no full cluster.
    'mon osd nearfull ratio': 0.97,
    'mon osd backfillfull ratio': 0.975,
    'mon osd full ratio': 0.98,
    'osd failsafe full ratio': 0.99,
    'mon data avail warn': 1,
    'mon data avail crit': 1,
  }
}

function gatewayLines({ folder, port, minimumPartBytes }: Plan): Readonly<Record<string, string | number>> {
  return {
    // The gateway asks for the secure mode by itself, which needs the authentication that is off here.
    ...Object.fromEntries(userModes.map((kind) => [`ms ${kind} mode`, 'crc'])),
    'auth client required': 'none',
    'rgw frontends': `beast endpoint=127.0.0.1:${port} tcp_nodelay=1`,
    'rgw data': `${folder}/rgw`,
    'rgw run sync thread': 'false',
    'rgw thread pool size': 64,
    'rgw dns name': 'localhost',
    'rgw multipart min part size': minimumPartBytes,
    'rgw gc obj min wait': 1,
    'rgw gc processor period': 2,
    'rgw crypt require ssl': 'false',
    'rgw crypt s3 kms backend': 'testing',
    'rgw crypt s3 kms encryption keys': `testkey-1=${randomBytes(32).toString('base64')}`,
  }
}

function configOf(plan: Plan): string {
  const modes = Object.fromEntries(userModes.map((kind) => [`ms ${kind} mode`, 'crc']))
  return (
    section('global', globalLines(plan)) +
    section('osd', { 'osd objectstore': 'bluestore', 'bluestore block size': 10 * 1024 ** 3, 'osd memory target': 1024 ** 3 }) +
    section('client', modes) +
    section(gateway, gatewayLines(plan))
  )
}

async function startMonitor({ run, start, until }: ProcessHouse, { folder, fsid, monitors }: Plan): Promise<void> {
  const [map, keyring] = [join(folder, 'monmap'), join(folder, 'keyring')]
  await run('monmaptool', ['--create', '--clobber', '--fsid', fsid, '--addv', 'a', monitors, map])
  await run('ceph-authtool', [keyring, '--create-keyring', '--gen-key', '-n', 'mon.', '--cap', 'mon', 'allow *'])
  for (const name of ['client.admin', gateway]) {
    const caps = ['mon', 'osd', 'mgr'].flatMap((daemon) => ['--cap', daemon, 'allow *'])
    await run('ceph-authtool', [keyring, '--gen-key', '-n', name, ...caps])
  }
  await run('ceph-mon', ['--mkfs', '-i', 'a', '--monmap', map, '--keyring', keyring])
  start('ceph-mon', 'ceph-mon', ['-i', 'a', '-f'])
  await until('the monitor of ceph answers', () => answered(run, ['--connect-timeout', '3', 'mon', 'stat'], /quorum 0 a/))
}

async function answered(run: ProcessHouse['run'], args: readonly string[], pattern: RegExp): Promise<boolean> {
  // A command of ceph may wait for a daemon for ever.
  return run('timeout', ['20', 'ceph', ...args]).then(
    (text) => pattern.test(text),
    () => false,
  )
}

async function startDisk({ run, start, until }: ProcessHouse): Promise<void> {
  const id = randomUUID()
  await run('timeout', ['30', 'ceph', 'osd', 'new', id])
  await run('ceph-osd', ['-i', '0', '--mkfs', '--osd-uuid', id])
  start('ceph-osd', 'ceph-osd', ['-i', '0', '-f'])
  await until('the disk of ceph is up', () => answered(run, ['osd', 'stat'], /1 up/))
}

/** Ceph of Debian with one monitor, one disk in a file and its S3 gateway. */
export async function startCephProcesses(
  credentials: { readonly accessKeyId: string; readonly secretAccessKey: string },
  { minimumPartBytes = 5 * 1024 ** 2 }: CephOptions = {},
): Promise<ProcessHouse & { readonly endpoint: string }> {
  const house = await openProcessHouse((folder) => ({ CEPH_CONF: `${folder}/ceph.conf`, CEPH_ARGS: `-c ${folder}/ceph.conf` }))
  try {
    const { folder } = house
    const port = await freePort()
    const monitors = `[v2:127.0.0.1:${await freePort()}/0,v1:127.0.0.1:${await freePort()}/0]`
    const plan = { folder, fsid: randomUUID(), monitors, port, minimumPartBytes }
    for (const name of ['run', 'log', 'crash', 'mon', 'osd', 'rgw']) await mkdir(join(folder, name))
    await writeFile(join(folder, 'ceph.conf'), configOf(plan))
    await startMonitor(house, plan)
    await startDisk(house)
    house.start('radosgw', 'radosgw', ['-n', gateway, '-f'])
    const endpoint = `http://127.0.0.1:${port}`
    await house.until('the gateway of ceph answers', () => answers(endpoint))
    const keys = ['--access-key', credentials.accessKeyId, '--secret-key', credentials.secretAccessKey]
    await house.run('radosgw-admin', ['-n', gateway, 'user', 'create', '--uid', 'score', '--display-name', 'score', ...keys])
    return { ...house, endpoint }
  } catch (error) {
    await house.stop()
    throw error
  }
}
