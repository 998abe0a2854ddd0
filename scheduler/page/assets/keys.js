// The keyboard: / search, j and k through rows, Enter opens, g and a letter goes somewhere, ? helps.
const PLACES = { j: '/', c: '/clusters', m: '/models' };

function isTyping(target) {
  return target.isContentEditable || ['INPUT', 'SELECT', 'TEXTAREA'].includes(target.tagName);
}

function move(by) {
  const rows = [...document.querySelectorAll('[data-row]')];
  if (!rows.length) return;
  const at = rows.indexOf(document.activeElement?.closest('[data-row]'));
  const next = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + by, 0), rows.length - 1)];
  next.tabIndex = -1;
  next.focus();
  next.scrollIntoView({ block: 'nearest' });
}

export function bindKeys() {
  const sheet = document.querySelector('[data-help-sheet]');
  const button = document.querySelector('[data-help]');
  button.hidden = false;
  button.addEventListener('click', () => sheet.showModal());
  let going = 0;
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (isTyping(event.target)) {
      if (event.key === 'Escape') event.target.blur();
      return;
    }
    if (document.querySelector('dialog[open]')) return;
    const isGoing = Date.now() - going < 1500;
    going = 0;
    if (isGoing && PLACES[event.key]) { location.href = PLACES[event.key]; return; }
    switch (event.key) {
      case '/': {
        const search = document.querySelector('[data-search]');
        if (!search) return;
        search.focus();
        search.select();
        break;
      }
      case 'j': move(1); break;
      case 'k': move(-1); break;
      case 'g': going = Date.now(); return;
      case '?': sheet.showModal(); break;
      case 'Enter': {
        if (!event.target.matches?.('[data-row]')) return;
        event.target.querySelector('a.name')?.click();
        break;
      }
      default: return;
    }
    event.preventDefault();
  });
}
