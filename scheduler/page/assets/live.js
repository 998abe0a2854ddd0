// Keeps the page up to date by server-sent events. Hidden pages rest, and go on when they are seen.
import { morph } from './morph.js';

const REST_MS = 30_000;
const AGAIN_MS = 5_000;

function say(state) {
  const badge = document.querySelector('[data-live-state]');
  badge.hidden = false;
  badge.dataset.liveState = state;
  badge.textContent = state === 'on' ? 'Live' : 'Reconnecting…';
}

// Says a new phase to those who do not see it.
let phase = null;
function announce() {
  const now = document.querySelector('[data-phase]')?.dataset.phase;
  if (phase && now && now !== phase) document.querySelector('[data-announce]').textContent = now;
  phase = now ?? null;
}

export function watch() {
  const address = document.body.dataset.events;
  if (!address) return;
  let source = null;
  let last = '';
  let rest = 0;
  announce();

  const on = (kind, handle) => source.addEventListener(kind, (event) => {
    last = event.lastEventId || last;
    handle(JSON.parse(event.data));
  });
  const close = () => { source?.close(); source = null; };
  // Most refusals pass; a page that is hidden by then goes on when it is seen.
  const later = () => setTimeout(() => { if (!document.hidden) open(); }, AGAIN_MS);
  const open = () => {
    if (source) return;
    // A page that rested says where it was as a browser that comes back by itself would.
    const url = new URL(address, location.href);
    if (last) {
      const [step, line] = last.split('.');
      url.searchParams.set('step', step);
      url.searchParams.set('line', line);
    }
    source = new EventSource(url);
    source.onopen = () => say('on');
    source.onerror = () => {
      say('away');
      // An answer that is no stream ends the browser's own attempts.
      if (source?.readyState === EventSource.CLOSED) { close(); later(); }
    };
    on('parts', (parts) => {
      for (const [id, html] of Object.entries(parts)) {
        const target = document.getElementById(id);
        if (target) morph(target, html);
      }
      announce();
      document.dispatchEvent(new CustomEvent('parts'));
    });
    on('series', (detail) => document.dispatchEvent(new CustomEvent('series', { detail })));
    on('lines', (detail) => document.dispatchEvent(new CustomEvent('lines', { detail })));
    on('refused', () => { close(); say('away'); later(); });
  };

  document.addEventListener('visibilitychange', () => {
    clearTimeout(rest);
    if (document.hidden) rest = setTimeout(close, REST_MS); else open();
  });
  window.addEventListener('pagehide', close);
  window.addEventListener('pageshow', (event) => { if (event.persisted) open(); });
  open();
}
