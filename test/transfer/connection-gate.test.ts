import * as assert from 'uvu/assert'
import { type Connection, createConnectionGate } from '../../src/transfer/connection-gate.ts'
import { suite } from '../support/suite.ts'

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

suite('connection gate', (test) => {
  test('the oldest file is served first, then the longest waiting', async () => {
    const gate = createConnectionGate(1, () => 0)
    const first = await gate.acquire(5)
    const order: string[] = []
    const want = async (name: string, place: number): Promise<Connection> => {
      const connection = await gate.acquire(place)
      order.push(name)
      return connection
    }
    const waiting = [want('b', 2), want('a1', 1), want('c', 3), want('a2', 1)]
    await settle()
    first.release()
    for (const name of ['a1', 'a2', 'b', 'c']) {
      await settle()
      assert.is(order.at(-1), name)
      const index = ['b', 'a1', 'c', 'a2'].indexOf(name)
      const connection = await (waiting[index] as Promise<Connection>)
      connection.release()
      connection.release()
    }
  })

  test('a store that asks for less gets half, once per episode, and all again with time', async () => {
    let now = 0
    const gate = createConnectionGate(8, () => now)
    const held = await Promise.all(Array.from({ length: 8 }, () => gate.acquire(0)))
    for (const connection of held) connection.throttled()
    for (const connection of held) connection.release()
    const count = async (): Promise<number> => {
      const stop = new AbortController()
      const got: Connection[] = []
      const all = Array.from({ length: 8 }, () =>
        gate.acquire(0, { signal: stop.signal }).then(
          (one) => got.push(one),
          () => undefined,
        ),
      )
      await settle()
      const reached = got.length
      stop.abort()
      await Promise.all(all)
      for (const connection of got) connection.release()
      return reached
    }
    assert.is(await count(), 4, 'eight answers of one moment halve once')
    now += 20_000
    assert.is(await count(), 6)
    const again = await gate.acquire(0)
    again.throttled()
    again.release()
    assert.is(await count(), 3)
    for (let i = 0; i < 9; i++) {
      const one = await gate.acquire(0)
      one.throttled()
      one.release()
    }
    assert.is(await count(), 1, 'never less than one')
    now += 70_000
    assert.is(await count(), 8)
  })

  test('who gives up while waiting takes no place', async () => {
    const gate = createConnectionGate(1, () => 0)
    const first = await gate.acquire(0)
    const stop = new AbortController()
    const gone = gate.acquire(0, { signal: stop.signal }).catch((error: unknown) => error)
    const next = gate.acquire(1)
    stop.abort('enough')
    assert.is(await gone, 'enough')
    first.release()
    ;(await next).release()
    assert.is(await gate.acquire(0, { signal: stop.signal }).catch((error: unknown) => error), 'enough')
  })
})
