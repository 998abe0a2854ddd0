// Curves that one can point at, by uPlot. Points come once as a whole, then as they are made.
/* global uPlot */
const SMOOTHING = 0.9; // src/chart.rs has the same
const THIN = '\u202f';
const MOST_POINTS = 4000;

const data = { steps: [], evals: [] };
let charts = [];

// A colour as the browser has resolved it: a canvas knows no variables.
function colour(expression) {
  const probe = document.createElement('i');
  probe.hidden = true;
  probe.style.color = expression;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function inks() {
  return {
    raw: colour('light-dark(#a9c6ea, #3f608a)'), loss: colour('var(--blue)'),
    eval: colour('light-dark(#c2570c, #ffa066)'), base: colour('var(--grey)'),
    soft: colour('var(--soft)'), line: colour('var(--line)'), surface: colour('var(--surface)'),
  };
}

const short = (value) => {
  if (value == null) return '';
  for (const [size, unit] of [[1e9, 'G'], [1e6, 'M'], [1e3, 'k']]) {
    if (Math.abs(value) >= size) return `${+(value / size).toPrecision(3)}${THIN}${unit}`;
  }
  return `${+value.toPrecision(3)}`;
};
const rate = (value) => (value == null ? '' : value === 0 ? '0' : value.toExponential(1));
const plain = (value) => (value == null ? '' : `${+value.toPrecision(4)}`);
const loss = (value) => (value == null ? '' : value.toPrecision(4));

function smoothed(values) {
  let sum = 0;
  let weight = 0;
  return values.map((value) => {
    if (value == null || !Number.isFinite(value)) return null;
    sum = sum * SMOOTHING + value * (1 - SMOOTHING);
    weight = weight * SMOOTHING + (1 - SMOOTHING);
    return sum / weight;
  });
}

function add(series) {
  const last = data.steps.at(-1)?.step ?? 0;
  data.steps.push(...series.steps.filter((point) => point.step > last));
  // A page that is open for days: what is long ago is drawn coarser.
  if (data.steps.length > MOST_POINTS) {
    const half = data.steps.length >> 1;
    data.steps = data.steps.filter((_, at) => at >= half || at % 2 === 0);
  }
  const lastEval = data.evals.at(-1)?.step ?? -1;
  data.evals.push(...series.evals.filter((point) => point.step > lastEval));
}

// Columns for the chart of losses: steps of both kinds in one order.
function lossColumns(baseline, last) {
  const evals = new Map(data.evals.map((point) => [point.step, point.loss]));
  const losses = new Map(data.steps.map((point) => [point.step, point.loss]));
  const steps = [...new Set([...losses.keys(), ...evals.keys()])].sort((a, b) => a - b);
  // The base model's line goes to the end, whatever has been trained.
  if (baseline != null && steps.at(-1) < last) steps.push(last);
  const raw = steps.map((step) => losses.get(step) ?? null);
  const columns = [steps, raw, smoothed(raw), steps.map((step) => evals.get(step) ?? null)];
  if (baseline != null) columns.push(steps.map(() => baseline));
  return columns;
}

function column(key) {
  return [data.steps.map((point) => point.step), data.steps.map((point) => point[key])];
}

function axes(ink, format) {
  const grid = { stroke: ink.line, width: 1 };
  const common = { stroke: ink.soft, font: '12px system-ui, sans-serif', ticks: { show: false } };
  return [
    { ...common, grid: { show: false }, size: 28, values: (_, ticks) => ticks.map((step) => (Number.isInteger(step) ? short(step) : '')) },
    { ...common, grid, size: 56, values: (_, ticks) => ticks.map(format) },
  ];
}

function legend(section, values) {
  for (const [key, text] of Object.entries(values)) {
    const place = section.querySelector(`[data-value=${key}]`);
    if (!place) continue;
    if (place.tagName === 'B') { place.textContent = text; continue; }
    let bold = place.querySelector('b');
    if (!bold) { bold = document.createElement('b'); place.append(' ', bold); }
    bold.textContent = text;
  }
}

function chart(section, kind, steps) {
  const box = section.querySelector(`[data-chart=${kind}]`);
  const ink = inks();
  const baseline = section.dataset.baseline ? Number(section.dataset.baseline) : null;
  const format = { loss, lr: rate, speed: short }[kind];
  const line = (stroke, more) => ({ stroke, width: 2, points: { show: false }, spanGaps: true, ...more });
  const series = kind === 'loss'
    ? [line(ink.raw, { width: 1 }), line(ink.loss), line(ink.eval, { dash: [2, 4], points: { show: true, size: 7, fill: ink.eval, stroke: ink.surface } })]
    : [line(ink.loss, { width: 1.5 })];
  if (kind === 'loss' && baseline != null) series.push(line(ink.base, { width: 1, dash: [6, 5] }));
  const columns = () => (kind === 'loss' ? lossColumns(baseline, steps()) : column({ lr: 'lr', speed: 'tokens_per_s' }[kind]));
  const point = (plot) => {
    const at = plot.cursor.idx ?? plot.data[0].length - 1;
    const latest = (values) => values.slice(0, at + 1).findLast((value) => value != null);
    if (kind !== 'loss') { legend(section, { [kind]: format(latest(plot.data[1])) }); return; }
    legend(section, { loss: loss(latest(plot.data[2])), eval: loss(latest(plot.data[3])), base: loss(baseline) });
  };
  const height = kind === 'loss' ? 280 : 150;
  const options = {
    width: box.clientWidth, height, legend: { show: false }, padding: [10, 18, 0, 0],
    cursor: { sync: { key: 'steps' }, y: false, points: { size: 6 } },
    scales: { x: { time: false, range: (_, low, high) => [Math.min(low ?? 0, 0), Math.max(high ?? 1, steps())] } },
    series: [{}, ...series], axes: axes(ink, kind === 'loss' ? plain : format), hooks: { setCursor: [point] },
  };
  // From nothing on: a rate that stays as it is has else an axis of one and the same number.
  if (kind !== 'loss') options.scales.y = { range: (_, low, high) => [0, high * 1.1 || 1] };
  box.replaceChildren();
  const plot = new uPlot(options, columns(), box);
  const resize = new ResizeObserver(() => { if (box.clientWidth) plot.setSize({ width: box.clientWidth, height }); });
  resize.observe(box);
  point(plot);
  return {
    refresh: () => { plot.setData(columns()); point(plot); },
    end: () => { resize.disconnect(); plot.destroy(); },
  };
}

export async function bindCharts() {
  const section = document.querySelector('[data-charts]');
  if (!section || !globalThis.uPlot) return;
  // A job that had not begun when the page was made is told how long it is by its first step.
  const steps = () => data.steps.at(-1)?.steps || Number(section.dataset.steps) || 1;
  const draw = () => {
    if (!data.steps.length && !data.evals.length) return;
    section.querySelector('[data-more-charts]').hidden = false;
    for (const old of charts) old.end();
    charts = ['loss', 'lr', 'speed'].map((kind) => chart(section, kind, steps));
  };
  document.addEventListener('series', ({ detail }) => {
    add(detail);
    if (charts.length) charts.forEach((own) => own.refresh()); else draw();
  });
  document.addEventListener('theme', draw);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
  try {
    const answer = await fetch(section.dataset.charts);
    if (answer.ok) {
      const whole = await answer.json();
      // What the stream has brought meanwhile is newer.
      const newer = { steps: data.steps.splice(0), evals: data.evals.splice(0) };
      add(whole);
      add(newer);
      draw();
    }
  } catch { /* the drawing that came with the page stays */ }
}
