/**
 * A process of its own that enters and leaves a locked region again and again. Whoever finds a live process inside
 * writes it to `violations`. Arguments: folder, rounds.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { appendFile, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { acquireLock } from '../../src/files/lock-file.ts'

const [folder = '', rounds = '1'] = process.argv.slice(2)
const inside = join(folder, 'inside')

/** Any thread that is not a corpse: a killed process keeps its number until its parent has asked after it. */
function isAlive(pid: number): boolean {
  try {
    const tasks = readdirSync(`/proc/${pid}/task`)
    return tasks.some((task) => !/\) [ZX] /.test(readFileSync(`/proc/${pid}/task/${task}/stat`, 'utf8')))
  } catch {
    return false
  }
}

const parent = process.ppid
for (let round = 0; round < Number(rounds) && process.ppid === parent; round++) {
  const lock = await acquireLock(join(folder, 'lock'), { label: 'contender', wait: true, pollMs: 2 })
  const other = Number(await readFile(inside, 'utf8').catch(() => '0'))
  if (other > 0 && isAlive(other)) await appendFile(join(folder, 'violations'), `${process.pid} met ${other}\n`)
  await writeFile(inside, String(process.pid))
  const count = Number(await readFile(join(folder, 'counter'), 'utf8'))
  process.stdout.write('inside\n')
  await sleep(1)
  await lock.assertHeld()
  // Killed between emptying the file and writing it, a process would lose every count before it, lock or no lock.
  await writeFile(join(folder, 'counter.next'), String(count + 1))
  await rename(join(folder, 'counter.next'), join(folder, 'counter'))
  await rm(inside)
  await lock.release()
}
