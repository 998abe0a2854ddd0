// Drives the page of a real coordinator, with real jobs that the command line submits.
// node serve.mjs [FOLDER FOR SCREENSHOTS]; needs target/release/schliff and schliff-trainer.
import assert from 'node:assert/strict';
import { coordinate } from './coordinator.mjs';
import { done, open, run, shoot, shots } from './stage.mjs';

const LONG = { timeout: 60_000 };

// A page at a place, after the login by the address that the coordinator tells.
async function enter(browser, desk, path, options = {}) {
  const page = await open(browser, options.login ?? desk.login, options);
  await page.waitForURL(`${desk.site}/`);
  if (path !== '/') await page.goto(desk.site + path);
  return page;
}

const phase = (page) => page.locator('.verdict .phase').innerText();
const verdict = (page, word) => page.waitForFunction((word) => document.querySelector('.verdict')?.textContent.includes(word), word, LONG);
// The last point of a curve. How many there are says nothing: a long curve is thinned.
const reached = (page, job) => page.evaluate(async (job) => (await (await fetch(`/jobs/${job}/series.json`)).json()).steps.at(-1).step, job);

// Jobs that several tests look at, each submitted once.
const jobs = {};

const tests = {
  async 'nobody gets in without a token'(browser, desk) {
    const page = await open(browser, desk.site);
    const answers = [];
    page.on('response', (response) => answers.push([new URL(response.url()).pathname, response.status()]));
    for (const path of ['/', '/jobs/1', '/clusters', '/metrics']) {
      const answer = await page.goto(desk.site + path);
      assert.equal(answer.status(), 401, path);
      assert.ok(await page.locator('input[name=token]').isVisible(), path);
    }
    await page.fill('input[name=token]', 'a guess');
    await page.click('button:has-text("Log in")');
    await page.waitForSelector('text=This token is not known here.');
    await shoot(page, 'login');
    // The browser itself writes refusals to the console; that is what was asked for here.
    page.complaints = page.complaints.filter((text) => !text.includes('status of 401'));
    assert.ok(answers.every(([path, status]) => status === 401 || path.startsWith('/assets/')), JSON.stringify(answers));
    await done(page);
  },
  async 'a login is kept in a cookie, and nothing is there yet'(browser, desk) {
    const page = await enter(browser, desk, '/');
    assert.ok(!page.url().includes('token'));
    const [cookie, ...more] = await page.context().cookies();
    assert.deepEqual([cookie.httpOnly, cookie.sameSite, more.length], [true, 'Strict', 0]);
    assert.ok(!desk.login.includes(cookie.value), 'the cookie is not the token');
    assert.match(await page.locator('.empty').innerText(), /schliff submit/);
    await page.waitForSelector('[data-live-state=on]');
    await shoot(page, 'jobs-none');
    // The list is live: a job of the command line comes up by itself.
    jobs.curve = await desk.submit({ name: 'support-replies' });
    await page.waitForSelector(`#job-${jobs.curve}`);
    jobs.waiting = await desk.submit({ name: 'waits-its-turn', steps: 400 });
    await page.waitForSelector(`#job-${jobs.waiting} .reason:has-text("cores")`);
    await page.waitForSelector(`#job-${jobs.curve} progress`, LONG);
    await done(page);
  },
  async 'the curve grows and the log is told'(browser, desk) {
    const page = await enter(browser, desk, `/jobs/${jobs.curve}`);
    await page.evaluate(() => { globalThis.isSamePage = true; });
    await page.waitForSelector('[data-chart=loss] canvas', LONG);
    await page.waitForSelector('[data-value=base] b, [data-value=eval] b:not(:empty)', LONG);
    const step = () => page.locator('#head .figures dd').first().innerText();
    const [firstStep, firstLoss] = [await step(), await page.locator('[data-value=loss] b').innerText()];
    const drawn = await page.evaluate(() => document.querySelector('[data-chart=loss] canvas').toDataURL());
    const firstReached = await reached(page, jobs.curve);
    await page.waitForFunction((old) => document.querySelector('#head .figures dd').innerText !== old, firstStep, LONG);
    await page.waitForFunction((old) => document.querySelector('[data-value=loss] b').innerText !== old, firstLoss, LONG);
    await page.waitForFunction((old) => document.querySelector('[data-chart=loss] canvas').toDataURL() !== old, drawn, LONG);
    await page.waitForFunction(([path, old]) => fetch(path).then((answer) => answer.json()).then(({ steps }) => steps.at(-1).step > old),
      [`/jobs/${jobs.curve}/series.json`, firstReached], LONG);
    assert.ok(await page.evaluate(() => globalThis.isSamePage), 'it was never loaded again');
    assert.match(await page.locator('[data-lines]').innerText(), /loading the base model/);
    assert.equal(await phase(page), 'Running');
    await shoot(page, 'job-running');
    await page.goto(desk.site);
    await shoot(page, 'jobs');
    await done(page);
  },
  async 'lines are searched'(browser, desk) {
    const page = await enter(browser, desk, `/jobs/${jobs.curve}/logs`);
    const all = await page.locator('[data-lines] > div').count();
    assert.ok(all >= 3, `${all} lines`);
    await page.fill('[name=contains]', 'base model');
    await page.press('[name=contains]', 'Enter');
    await page.waitForURL('**/logs?*contains=*');
    const found = await page.locator('[data-lines] .text').allInnerTexts();
    assert.ok(found.length >= 1 && found.length < all && found.every((line) => line.includes('base model')), found.join('\n'));
    await shoot(page, 'log');
    await page.goto(`${desk.site}/jobs/${jobs.curve}/logs?contains=there-is-no-such-line`);
    assert.match(await page.locator('[data-no-lines]').innerText(), /No line is like that/);
    await done(page);
  },
  async 'who waits says for what'(browser, desk) {
    const page = await enter(browser, desk, `/jobs/${jobs.waiting}`);
    assert.equal(await phase(page), 'Queued');
    assert.match(await page.locator('.verdict').innerText(), /needs 2 cores/);
    await shoot(page, 'job-queued');
    await done(page);
  },
  async 'clusters show what is handed out'(browser, desk) {
    const page = await enter(browser, desk, '/clusters');
    const card = page.locator('.cluster-card');
    assert.match(await card.locator('h2').innerText(), /desk/);
    assert.match(await card.innerText(), /0\s*free of 2/);
    await page.waitForSelector(`.cluster-card a[href="/jobs/${jobs.curve}"]`);
    await shoot(page, 'clusters');
    await done(page);
  },
  async 'a viewer looks and cancels nothing'(browser, desk) {
    const page = await enter(browser, desk, `/jobs/${jobs.curve}`, { login: desk.viewer });
    await page.waitForSelector('[data-chart=loss] canvas');
    assert.equal(await page.locator('[data-dialog]').count(), 0);
    assert.equal(await page.locator('.caller').innerText(), 'viewer');
    await shoot(page, 'job-viewer');
    const answer = await page.goto(`${desk.site}/jobs/${jobs.curve}/cancel`);
    assert.equal(answer.status(), 403);
    await shoot(page, 'refused');
    const sent = await page.request.post(`${desk.site}/jobs/${jobs.curve}/cancel`, { headers: { origin: desk.site }, form: { why: 'mine' } });
    assert.equal(sent.status(), 403);
    assert.match(await sent.text(), /<p class="sub">role</);
    page.complaints = page.complaints.filter((text) => !text.includes('status of 403'));
    await done(page);
    assert.match(await desk.schliff('status', String(jobs.curve)), /^running: trains$/m);
  },
  async 'a job is cancelled in a dialog and says by whom and why'(browser, desk) {
    const page = await enter(browser, desk, `/jobs/${jobs.curve}`);
    await page.waitForSelector('[data-live-state=on]');
    // Who waits for its turn: it has written nothing, and then it does.
    const next = await enter(browser, desk, `/jobs/${jobs.waiting}/logs`);
    assert.match(await next.locator('[data-no-lines]').innerText(), /Nothing has been written yet/);
    await page.click('[data-dialog]');
    await page.fill('dialog[open] [name=why]', 'the data was <b>old</b>');
    await page.screenshot({ path: shots('cancel-light') });
    await page.click('dialog[open] button[type=submit]');
    await verdict(page, 'cancelled by user: the data was <b>old</b>');
    await page.waitForSelector('.verdict .phase:has-text("Cancelled")', LONG);
    await page.waitForSelector('[data-dialog]:has-text("Try again")', LONG);
    await shoot(page, 'job-cancelled');
    await done(page);
    await next.waitForSelector('[data-lines]:has-text("loading the base model")', LONG);
    assert.equal(await next.locator('[data-no-lines]').count(), 0);
    await done(next);
    assert.match(await desk.schliff('status', String(jobs.curve)), /cancelled by user: the data was <b>old<\/b>/);
  },
  async 'who waited has its turn and succeeds'(browser, desk) {
    const page = await enter(browser, desk, `/jobs/${jobs.waiting}`);
    await page.waitForSelector('.verdict .phase:has-text("Succeeded")', LONG);
    assert.match(await page.locator('#head .figures').innerText(), /400/);
    await page.waitForSelector('[data-chart=loss] canvas');
    await shoot(page, 'job-succeeded');
    await done(page);
  },
  async 'a cancelled job goes on from its checkpoint'(browser, desk) {
    const page = await enter(browser, desk, `/jobs/${jobs.curve}`);
    await page.click('text=Try again…');
    const asked = await page.locator('dialog[open]').innerText();
    const from = Number(asked.match(/at step ([\d\s\u202f,]+)/)[1].replaceAll(/\D/g, ''));
    assert.ok(from > 0, asked);
    await page.screenshot({ path: shots('retry-light') });
    await page.click('dialog[open] button[type=submit]');
    await page.waitForURL((url) => /^\/jobs\/\d+$/.test(url.pathname) && !url.pathname.endsWith(`/${jobs.curve}`));
    jobs.again = Number(page.url().split('/').at(-1));
    await page.waitForSelector('.verdict .phase:has-text("Running")', LONG);
    await page.waitForFunction((from) => Number(document.querySelector('#head .figures dd').textContent.split('of')[0].replaceAll(/\D/g, '')) > from, from, LONG);
    assert.match(await page.locator('#facts').innerText(), new RegExp(`Goes on with\\s*#${jobs.curve}`));
    await page.waitForSelector('[data-chart=loss] canvas', LONG);
    await shoot(page, 'job-again');
    await page.goto(`${desk.site}/jobs/${jobs.curve}`);
    assert.equal(await phase(page), 'Cancelled');
    assert.equal(await page.locator('#head .buttons').innerText(), `Goes on as #${jobs.again}`);
    await page.click('#head .buttons a');
    await page.waitForURL(`**/jobs/${jobs.again}`);
    await done(page);
  },
  async 'all works without JavaScript'(browser, desk) {
    const page = await enter(browser, desk, '/', { javaScriptEnabled: false });
    assert.match(await page.locator(`#job-${jobs.again}`).innerText(), /Running/);
    await page.click(`#job-${jobs.again} a.name`);
    assert.ok(await page.locator('svg.curve polyline').count() >= 2);
    assert.equal(await page.locator('meta[http-equiv=refresh]').count(), 1);
    assert.match(await page.locator('[data-lines]').innerText(), /loading the base model/);
    await shoot(page, 'job-without-javascript');
    await page.fill('[name=contains]', 'base model');
    await page.press('[name=contains]', 'Enter');
    assert.ok(await page.locator('[data-lines] > div').count() >= 1);
    await page.goto(`${desk.site}/jobs/${jobs.again}`);
    await page.click('a:has-text("Cancel…")');
    await page.fill('[name=why]', 'no script');
    await shoot(page, 'cancel-without-javascript');
    await page.click('button:has-text("Cancel the job")');
    await desk.schliff('wait', String(jobs.again)).catch(() => {});
    await page.goto(`${desk.site}/jobs/${jobs.again}`);
    assert.match(await page.locator('.verdict').innerText(), /Cancelled[^]*cancelled by user: no script/);
    await done(page);
  },
  async 'a job that fails shows its error'(browser, desk) {
    jobs.torn = await desk.submit({ name: 'torn-model', base: desk.torn });
    const page = await enter(browser, desk, `/jobs/${jobs.torn}`);
    await page.waitForSelector('.verdict .phase:has-text("Failed")', LONG);
    await verdict(page, 'not a whole safetensors file');
    await page.waitForSelector('[data-lines]:has-text("not a whole safetensors file")', LONG);
    await shoot(page, 'job-failed-at-once');
    jobs.wild = await desk.submit({ name: 'wild-rate', lr: '1e30' });
    await page.goto(`${desk.site}/jobs/${jobs.wild}`);
    await page.waitForSelector('.verdict .phase:has-text("Failed")', LONG);
    await verdict(page, 'the loss is NaN');
    await shoot(page, 'job-failed');
    await page.goto(`${desk.site}/jobs/${jobs.wild}/history`);
    await shoot(page, 'history');
    await page.goto(`${desk.site}/?show=failed`);
    assert.equal(await page.locator('[data-row]').count(), 2);
    await page.goto(desk.site);
    await shoot(page, 'jobs-ended');
    await done(page);
  },
  async 'a phone shows the same and nothing is cut off'(browser, desk) {
    const page = await enter(browser, desk, '/', { viewport: { width: 390, height: 844 }, isMobile: true });
    for (const path of ['/', `/jobs/${jobs.curve}`, `/jobs/${jobs.torn}`, '/clusters', `/jobs/${jobs.torn}/logs`]) {
      await page.goto(desk.site + path);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, `${path} is ${wide} pixels too wide`);
    }
    await page.goto(`${desk.site}/jobs/${jobs.curve}`);
    await shoot(page, 'job-phone');
    await done(page);
  },
};

const desk = await coordinate();
await run(tests, [desk], desk.end);
