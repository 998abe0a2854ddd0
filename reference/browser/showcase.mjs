// Drives the page over the showcase's moving jobs: what real jobs come to seldom, and hostile names.
// node showcase.mjs [FOLDER FOR SCREENSHOTS]; needs target/release/examples/showcase.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import assert from 'node:assert/strict';
import { ROOT, done, open, run, shots } from './stage.mjs';

// A showcase of a kind, at an address that it chooses.
async function serve(kind) {
  const program = `${ROOT}/target/release/examples/showcase`;
  const child = spawn(program, [kind, '127.0.0.1:0'], { stdio: ['ignore', 'ignore', 'pipe'] });
  const [line] = await once(createInterface({ input: child.stderr }), 'line');
  return { child, url: line.trim() };
}

const tests = {
  async 'the curve grows without a reload'(browser, rich) {
    const page = await open(browser, `${rich}/jobs/47`);
    await page.waitForSelector('[data-chart=loss] canvas');
    const step = () => page.locator('#head .figures dd').first().innerText();
    const lines = () => page.locator('[data-lines] > div').count();
    const [firstStep, firstLines] = [await step(), await lines()];
    await page.waitForFunction((old) => document.querySelector('#head .figures dd').innerText !== old, firstStep);
    await page.waitForFunction((old) => document.querySelectorAll('[data-lines] > div').length > old, firstLines, { timeout: 30_000 });
    assert.equal(await page.locator('[data-live-state=on]').innerText(), 'Live');
    await done(page, 'job-light');
  },
  async 'the keyboard reaches everything'(browser, rich) {
    const page = await open(browser, rich);
    await page.waitForSelector('[data-live-state=on]');
    await page.keyboard.press('?');
    assert.ok(await page.locator('[data-help-sheet]').isVisible());
    await page.keyboard.press('Escape');
    await page.keyboard.press('j');
    await page.keyboard.press('j');
    await page.keyboard.press('k');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'job-50');
    // What is swapped meanwhile takes no focus away.
    await page.evaluate(() => new Promise((resolve) => document.addEventListener('parts', resolve, { once: true })));
    assert.equal(await page.evaluate(() => document.activeElement.id), 'job-50');
    await page.keyboard.press('Enter');
    await page.waitForURL('**/jobs/50');
    await page.goBack();
    await page.keyboard.press('/');
    await page.keyboard.type('service');
    await page.keyboard.press('Enter');
    await page.waitForURL('**/?q=service');
    assert.equal(await page.locator('[data-row]').count(), 2);
    await page.keyboard.press('g');
    await page.keyboard.press('c');
    await page.waitForURL('**/clusters');
    await done(page, 'clusters-light');
  },
  async 'colours are chosen and kept'(browser, rich) {
    const page = await open(browser, rich, { colorScheme: 'light' });
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await ground();
    await page.click('[data-theme-toggle]');
    await page.click('[data-theme-toggle]');
    const dark = await ground();
    assert.notEqual(light, dark);
    await page.reload();
    assert.equal(await ground(), dark);
    await page.goto(`${rich}/?open=29`);
    assert.equal(await page.locator('tr.trial').count(), 8);
    await done(page, 'jobs-dark');
  },
  async 'a job is cancelled in a dialog and says why'(browser, rich) {
    const page = await open(browser, `${rich}/jobs/45`);
    await page.click('[data-dialog]');
    await page.waitForSelector('dialog [data-ask]');
    await page.click('dialog[open] [data-close]');
    await page.waitForSelector('dialog [data-ask]', { state: 'detached' });
    await page.click('[data-dialog]');
    await page.fill('dialog[open] [name=why]', 'wrong <data>');
    await page.screenshot({ path: shots('cancel') });
    await page.click('dialog[open] button[type=submit]');
    await page.waitForSelector('text=cancelled by ada: wrong <data>');
    assert.equal(await page.locator('.verdict .phase').innerText(), 'Cancelled');
    await done(page, 'job-cancelled');
  },
  async 'a new phase is told to those who listen'(browser, rich) {
    const page = await open(browser, `${rich}/jobs/41`);
    await page.waitForSelector('[data-live-state=on]');
    const answer = await page.request.post(`${rich}/jobs/41/cancel`, { form: { why: 'enough' } });
    assert.ok(answer.ok());
    await page.waitForFunction(() => document.querySelector('[data-announce]').textContent === 'Cancelled');
    await done(page);
  },
  async 'all works without JavaScript'(browser, rich) {
    const page = await open(browser, `${rich}/jobs/47`, { javaScriptEnabled: false });
    assert.ok(await page.locator('svg.curve polyline').count() >= 3);
    assert.equal(await page.locator('noscript meta, meta[http-equiv=refresh]').count(), 1);
    await page.screenshot({ path: shots('job-without-javascript'), fullPage: true });
    await page.goto(`${rich}/jobs/44`);
    await page.click('text=Cancel…');
    await page.fill('[name=why]', 'no script');
    await page.click('button:has-text("Cancel the job")');
    assert.match(await page.locator('.verdict').innerText(), /cancelled by ada: no script/);
    await page.goto(`${rich}/jobs/43/logs?contains=error`);
    assert.equal(await page.locator('[data-lines] > div').count(), 1);
    await done(page);
  },
  async 'a phone shows cards and nothing is cut off'(browser, rich) {
    const page = await open(browser, rich, { viewport: { width: 390, height: 844 }, isMobile: true });
    for (const path of ['/', '/jobs/47', '/jobs/29', '/jobs/46', '/clusters', '/jobs/47/logs']) {
      await page.goto(rich + path);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, `${path} is ${wide} pixels too wide`);
      await page.screenshot({ path: shots(`phone${path.replaceAll('/', '-')}`), fullPage: true });
    }
    await done(page);
  },
  async 'an empty coordinator says what to do'(browser, rich, empty) {
    const page = await open(browser, `${empty}/models`);
    await page.addInitScript(() => document.addEventListener('parts', () => { globalThis.isSwapped = true; }));
    await page.goto(empty);
    assert.match(await page.locator('.empty').innerText(), /schliff submit/);
    await page.waitForFunction(() => globalThis.isSwapped);
    assert.ok(await page.locator('.empty .copy').isVisible());
    await done(page, 'jobs-none');
  },
  async 'hostile names run nothing'(browser, rich) {
    const page = await open(browser, `${rich}/jobs/42`);
    page.on('dialog', () => page.complaints.push('a script has run'));
    await page.waitForSelector('[data-live-state=on]');
    assert.equal(await page.locator('h1').innerText(), `<script>alert('name')</script> "><script>alert(3)</script>`);
    await done(page, 'hostile');
  },
};

const servers = [await serve('rich'), await serve('empty')];
await run(tests, servers.map((server) => server.url), async () => {
  const ends = servers.map(({ child }) => once(child, 'exit'));
  for (const { child } of servers) child.kill();
  await Promise.all(ends);
});
