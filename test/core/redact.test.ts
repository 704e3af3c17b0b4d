import * as assert from 'uvu/assert'
import { hideAddresses, maskSecret, redactText, redactUrl } from '../../src/core/redact.ts'
import { suite } from '../support/suite.ts'

const secrets = ['SECRETSIG', 'eyJhbGciOi.abc.def', 'hunter2']

suite('redact', (test) => {
  test('an address loses user, query and fragment', () => {
    assert.is(redactUrl('https://u:hunter2@store:9000/b/k?X-Amz-Signature=SECRETSIG#x'), 'https://store:9000/b/k?…')
    assert.is(redactUrl('http://127.0.0.1:5431/prefix/'), 'http://127.0.0.1:5431/prefix/')
  })

  const texts = [
    'GET https://s/b?X-Amz-Credential=hunter2&X-Amz-Signature=SECRETSIG failed',
    'Authorization: Bearer eyJhbGciOi.abc.def',
    '<Resource>/b/k?sig=SECRETSIG&amp;se=1</Resource>',
    'authorization: basic hunter2',
    'Signature=SECRETSIG',
  ]
  for (const text of texts) {
    test(`nothing to use is left in: ${text.slice(0, 30)}…`, () => {
      const shown = redactText(text)
      for (const secret of secrets) assert.not.match(shown, secret)
    })
  }

  const told: readonly (readonly [text: string, shown: string])[] = [
    [
      'cannot reach http://song.internal:8080/entities/x?…: nothing listens there (ECONNREFUSED)',
      'cannot reach a service behind this one: nothing listens there (ECONNREFUSED)',
    ],
    ['the S3 store at http://10.0.0.7:9000 did not read b/k (SlowDown)', 'the S3 store did not read b/k (SlowDown)'],
    [
      'GET https://[fd00::7]/x was answered with status 500: no',
      'a question to a service behind this one was answered with status 500: no',
    ],
    ['the catalogue at http://song has no object x: check the id', 'the catalogue has no object x: check the id'],
    ['cannot look: connect EACCES 10.0.0.7:80', 'cannot look: connect EACCES'],
    ['cannot look: getaddrinfo EAI_FAIL song.internal', 'cannot look: getaddrinfo EAI_FAIL'],
    ['connect EHOSTDOWN fd00::7:8080', 'connect EHOSTDOWN'],
    ["object x is registered at http in 'study'", "object x is registered at http in 'study'"],
  ]
  for (const [text, shown] of told) {
    test(`no address is left in: ${text}`, () => assert.is(hideAddresses(text), shown))
  }

  test('a token is shown by its end, a short one not at all', () => {
    assert.is(maskSecret('0123456789abcdef'), '••••cdef')
    assert.is(maskSecret('short'), '••••')
  })
})
