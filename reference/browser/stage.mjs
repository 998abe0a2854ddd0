// What both suites stand on: Chromium, pages whose complaints fail a test, and the run of a suite.
//
// A page complains when a script of it fails, when something is written to its console as an error, when
// something goes against its policy, and when an answer comes without one that is strict.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

export const ROOT = process.env.SCHLIFF_ROOT ?? fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
const CHROMIUM = process.env.SCHLIFF_TEST_CHROMIUM ?? '/usr/bin/chromium';
const SHOTS = process.argv[2] ?? `${ROOT}/target/browser`;
const SANDBOX = process.getuid() === 0 ? ['--no-sandbox'] : [];

export const shots = (name) => `${SHOTS}/${name}.png`;

function isStrict(policy) {
  return policy?.includes("default-src 'none'") && policy.includes("frame-ancestors 'none'") && !policy.includes('unsafe');
}

function listen(page) {
  page.complaints = [];
  page.on('pageerror', (error) => page.complaints.push(error.message));
  page.on('console', (message) => { if (message.type() === 'error') page.complaints.push(message.text()); });
  page.on('response', (response) => {
    if (!isStrict(response.headers()['content-security-policy'])) page.complaints.push(`${response.url()} has no strict policy`);
  });
}

// A page of a context of its own, so that no two tests share a cookie.
export async function open(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1360, height: 900 }, colorScheme: 'light', ...options });
  const page = await context.newPage();
  listen(page);
  if (options.javaScriptEnabled !== false) {
    await page.addInitScript(() => document.addEventListener('securitypolicyviolation', (event) => {
      console.error(`against the policy: ${event.violatedDirective} ${event.blockedURI}`);
    }));
  }
  await page.goto(url);
  return page;
}

// As it looks in the light and in the dark.
export async function shoot(page, name) {
  const modes = { light: `${name}-light`, dark: `${name}-dark` };
  for (const [colorScheme, file] of Object.entries(modes)) {
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: shots(file), fullPage: true, animations: 'disabled' });
  }
  await page.emulateMedia({ colorScheme: 'light' });
}

export async function done(page, name) {
  if (name) await page.screenshot({ path: shots(name), fullPage: true, animations: 'disabled' });
  assert.deepEqual(page.complaints, [], name);
  await page.context().close();
}

// Runs the tests one after the other; `end` is called whatever happens, and may fail as they may.
export async function run(tests, args, end) {
  mkdirSync(SHOTS, { recursive: true });
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: [...SANDBOX, '--disable-dev-shm-usage'] });
  let failed = 0;
  const attempt = async (name, test) => {
    try {
      await test();
      console.log(`ok      ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED  ${name}\n${error.stack}`);
    }
  };
  for (const [name, test] of Object.entries(tests)) await attempt(name, () => test(browser, ...args));
  await browser.close();
  await attempt('nothing is left behind', end);
  process.exitCode = failed ? 1 : 0;
}
