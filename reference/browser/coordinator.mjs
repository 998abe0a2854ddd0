// A coordinator of its own in a temporary folder, the jobs for it, and the command line that submits them.
//
// Jobs are processes: `end` cancels those at work, ends the coordinator, and fails if a process of that
// folder is still there.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { ROOT } from './stage.mjs';

const SCHLIFF = `${ROOT}/target/release/schliff`;
const FIXTURES = `${ROOT}/trainer/tests/fixtures`;
const LLAMA = `${FIXTURES}/tiny/llama`;
const DATA = `${FIXTURES}/curves/data.jsonl`;

// One job at a time, whatever the machine has: a second one waits, and has a reason to show.
const CLUSTER = `name = "desk"
backend = "local"
[local]
cpu_slots = 2
gpu_slots = 0
[cost]
eur_per_core_hour = 0.02
`;

const jobFile = ({ name, base, steps, lr }) => `name = "${name}"
[model]
base = "${base}"
[data]
train = "${DATA}"
eval = "${DATA}"
format = "tokens"
max_tokens = 64
[training]
steps = ${steps}
batch_samples = 256
micro_batch_samples = 8
lr = ${lr}
[evaluation]
every_steps = 50
[resources]
cpus_per_node = 2
[checkpoint]
every_steps = 50
`;

// Processes whose command line names the folder.
function processesOf(folder) {
  const commandOf = (pid) => {
    try { return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '); } catch { return ''; }
  };
  const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  return all.map((pid) => [Number(pid), commandOf(pid)]).filter(([, command]) => command.includes(folder));
}

async function started(folder) {
  const child = spawn(SCHLIFF, ['serve', '--listen', '127.0.0.1:0', '--state', join(folder, 'state'), '--cluster', join(folder, 'cluster.toml')],
    { stdio: ['ignore', 'ignore', 'pipe'] });
  const lines = createInterface({ input: child.stderr });
  const said = [];
  const url = await new Promise((resolve, reject) => {
    lines.on('line', (line) => {
      said.push(line);
      const found = line.match(/^coordinator: (http\S+)/);
      if (found) resolve(found[1]);
    });
    child.on('exit', () => reject(new Error(`the coordinator did not start: ${said.join('\n')}`)));
  });
  return { child, url: new URL(url) };
}

// Starts it. `login` is the address that it tells its user, `viewer` the one of who may only look.
export async function coordinate() {
  const folder = mkdtempSync(join(tmpdir(), 'schliff-browser-'));
  mkdirSync(join(folder, 'state'));
  writeFileSync(join(folder, 'cluster.toml'), CLUSTER);
  cpSync(LLAMA, join(folder, 'torn'), { recursive: true });
  truncateSync(join(folder, 'torn', 'model.safetensors'), 2000);
  const { child, url } = await started(folder);
  const env = { ...process.env, SCHLIFF_STATE: join(folder, 'state'), NO_COLOR: '1' };
  const schliff = async (...words) => (await promisify(execFile)(SCHLIFF, words, { env, timeout: 60_000 })).stdout.trim();
  const viewer = readFileSync(join(folder, 'state', 'viewer-token'), 'utf8').trim();
  return {
    site: url.origin,
    login: url.href,
    viewer: `${url.origin}/login?token=${viewer}`,
    schliff,
    torn: join(folder, 'torn'),
    // Gives its number. By itself it trains for minutes, so that it is there until it is cancelled.
    async submit({ name, base = LLAMA, steps = 20_000, lr = 1e-4 }) {
      const path = join(folder, `${name}.toml`);
      writeFileSync(path, jobFile({ name, base, steps, lr }));
      return Number(await schliff('submit', path));
    },
    async end() {
      const { jobs } = JSON.parse(await schliff('list', '--json'));
      const open = jobs.filter((job) => !job.ended_ms).map((job) => String(job.id));
      if (open.length) {
        await schliff('cancel', '--now', ...open);
        // It tells how they ended, and these ended badly.
        await schliff('wait', ...open).catch(() => {});
      }
      const exit = once(child, 'exit');
      child.kill();
      const [code] = await exit;
      const left = processesOf(folder);
      for (const [pid] of left) process.kill(pid, 'SIGKILL');
      rmSync(folder, { recursive: true, force: true });
      if (code !== 0) throw new Error(`the coordinator ended with ${code}`);
      if (left.length) throw new Error(`processes were left: ${left.map(([, command]) => command).join('\n')}`);
    },
  };
}
