import * as assert from 'uvu/assert'
import { formatHttpRange, parseContentRange, parseHttpRange } from '../../src/core/byte-range.ts'
import { isScoreError } from '../../src/core/errors.ts'
import { suite } from '../support/suite.ts'

suite('byte range', (test) => {
  const accepted: readonly [header: string, size: number, start: number, end: number][] = [
    ['bytes=0-99', 1000, 0, 100],
    ['bytes=0-99', 50, 0, 50],
    ['bytes=990-', 1000, 990, 1000],
    ['bytes=-3', 1000, 997, 1000],
    ['bytes=-3000', 1000, 0, 1000],
    [' bytes=5-5 ', 10, 5, 6],
  ]
  for (const [header, size, start, end] of accepted) {
    test(`${header} of ${size} bytes`, () => assert.equal(parseHttpRange(header, size), { start, end }))
  }

  for (const header of ['bytes=5-2', 'bytes=abc', 'bytes=0-1,3-4', 'items=0-1', 'bytes=-', '', 'bytes=1 - 2']) {
    test(`'${header}' is to be ignored`, () => assert.is(parseHttpRange(header, 100), undefined))
  }

  const outside: readonly [string, number][] = [
    ['bytes=100-', 100],
    ['bytes=100-200', 100],
    ['bytes=-0', 100],
    ['bytes=0-', 0],
    ['bytes=-5', 0],
  ]
  for (const [header, size] of outside) {
    test(`${header} lies outside ${size} bytes`, () => {
      assert.throws(
        () => parseHttpRange(header, size),
        (error: unknown) => isScoreError(error, 'invalid-range'),
      )
    })
  }

  test('formats the closed HTTP form and reads it back', () => {
    assert.is(formatHttpRange({ start: 20, end: 21 }), 'bytes=20-20')
    assert.equal(parseHttpRange(formatHttpRange({ start: 7, end: 1000 }), 5000), { start: 7, end: 1000 })
    assert.throws(() => formatHttpRange({ start: 3, end: 3 }), /empty/)
  })

  test('reads Content-Range', () => {
    assert.equal(parseContentRange('bytes 0-9/100'), { range: { start: 0, end: 10 }, size: 100 })
    assert.equal(parseContentRange('bytes 5-5/*'), { range: { start: 5, end: 6 } })
    for (const bad of [undefined, '', 'bytes */100', 'bytes 0-9', '0-9/10']) assert.is(parseContentRange(bad), undefined)
  })
})
