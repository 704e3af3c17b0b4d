import * as assert from 'uvu/assert'
import { maskSecret, redactText, redactUrl } from '../../src/core/redact.ts'
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

  test('a token is shown by its end, a short one not at all', () => {
    assert.is(maskSecret('0123456789abcdef'), '••••cdef')
    assert.is(maskSecret('short'), '••••')
  })
})
