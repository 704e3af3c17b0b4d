import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium, type Page } from 'playwright-core'
import * as assert from 'uvu/assert'
import { serveFolder } from '../support/embedded-subject.ts'
import { suite } from '../support/suite.ts'

const executablePath = [process.env['CHROMIUM'], '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  (path) => path !== undefined && existsSync(path),
)

/** Where the screenshot is kept; CI names a folder. */
async function artefacts(): Promise<string> {
  const named = process.env['SCORE_ARTEFACTS']
  if (named === undefined) return mkdtemp(join(tmpdir(), 'score-artefacts-'))
  await mkdir(named, { recursive: true })
  return named
}

async function fill(page: Page, parameter: string, value: string): Promise<void> {
  await page.locator(`#operations-download-download tr[data-param-name="${parameter}"] input`).fill(value)
}

suite('Swagger UI in a browser', (test) => {
  if (executablePath === undefined) {
    test.skip('authorise, execute, see the answer', 'there is no chromium: apt-get install chromium, or say CHROMIUM=/path')
    return
  }

  test('authorise with a token, execute a download request, see the answer; nothing is fetched from elsewhere', async () => {
    const served = await serveFolder()
    const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] })
    try {
      const bytes = Buffer.from('The quick brown fox jumps over the lazy dog')
      const md5 = createHash('md5').update(bytes).digest('hex')
      const objectId = await served.register({ size: bytes.length, md5, access: 'controlled' })
      const api = served.score.api()
      const spec = await api.openUpload({ objectId, size: bytes.length, md5, overwrite: false })
      const put = await fetch(String(spec.parts[0]?.url), { method: 'PUT', body: bytes })
      const etag = String(put.headers.get('etag')).replaceAll('"', '')
      await api.finalizePart({ objectId, uploadId: spec.uploadId }, { number: 1, md5, etag })
      await api.finalizeUpload({ objectId, uploadId: spec.uploadId })
      await served.publish(objectId)

      const page = await browser.newPage({ viewport: { width: 1200, height: 1800 } })
      const complaints: string[] = []
      const elsewhere: string[] = []
      page.on('console', (message) => {
        if (message.type() === 'error') complaints.push(message.text())
      })
      page.on('pageerror', (error) => complaints.push(error.message))
      page.on('request', (request) => {
        if (!request.url().startsWith(served.url) && !request.url().startsWith('data:')) elsewhere.push(request.url())
      })
      await page.goto(served.url)
      await page.getByRole('link', { name: 'Explore the API' }).click()
      await page.locator('#operations-download-download').waitFor()
      const answered = page.locator('#operations-download-download .live-responses-table .response .response-col_status')
      const body = page.locator('#operations-download-download .live-responses-table .response-col_description .highlight-code')

      await page.locator('#operations-download-download .opblock-summary-control').click()
      await page.locator('#operations-download-download .try-out__btn').click()
      await fill(page, 'objectId', objectId)
      await fill(page, 'offset', '0')
      await fill(page, 'length', '-1')
      await page.locator('#operations-download-download .execute').click()
      await answered.waitFor()
      assert.match((await answered.textContent()) as string, '403', 'a controlled file is not for strangers')

      await page.locator('.scheme-container .authorize').click()
      await page.locator('.modal-ux input').fill(served.score.token)
      await page.locator('.modal-ux .btn-done').waitFor()
      await page.locator('.modal-ux button[type=submit]').click()
      await page.locator('.modal-ux .btn-done').click()
      const [response] = await Promise.all([
        page.waitForResponse((one) => one.url().includes(`/download/${objectId}`)),
        page.locator('#operations-download-download .execute').click(),
      ])
      assert.is(response.status(), 200)
      await page.waitForFunction(
        `document.querySelector('#operations-download-download .live-responses-table .response .response-col_status')?.textContent.startsWith('200')`,
      )
      const shown = (await body.first().textContent()) as string
      assert.match(shown, `"objectMd5": "${md5}"`)
      assert.match(shown, `"objectSize": ${bytes.length}`)

      const path = join(await artefacts(), 'swagger-ui.png')
      await page.screenshot({ path, fullPage: true })
      process.stdout.write(`  screenshot: ${path}\n`)
      assert.equal(elsewhere, [])
      // The browser itself reports the 403 that was asked for, and looks for an icon at the root of the host.
      assert.equal(
        complaints.filter((text) => !/403|404/.test(text)),
        [],
      )
    } finally {
      await browser.close()
      await served.close()
    }
  })
})
