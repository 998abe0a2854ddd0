// What every page does once its script runs. All of it works without, only less comfortably.
import { watch } from './live.js';
import { keepTimes } from './times.js';
import { bindKeys } from './keys.js';
import { bindDialogs } from './dialog.js';
import { bindCharts } from './charts.js';
import { bindLines } from './lines.js';

const THEMES = ['', 'light', 'dark'];
const THEME_WORDS = { '': 'Colours: as the system has them', light: 'Colours: light', dark: 'Colours: dark' };

function bindTheme() {
  const button = document.querySelector('[data-theme-toggle]');
  const root = document.documentElement;
  const say = () => {
    const words = THEME_WORDS[root.dataset.theme ?? ''];
    button.title = words;
    button.setAttribute('aria-label', words);
  };
  button.hidden = false;
  say();
  button.addEventListener('click', () => {
    const next = THEMES[(THEMES.indexOf(root.dataset.theme ?? '') + 1) % THEMES.length];
    if (next) root.dataset.theme = next; else delete root.dataset.theme;
    try { localStorage.setItem('theme', next); } catch { /* for this page only, then */ }
    say();
    document.dispatchEvent(new CustomEvent('theme'));
  });
}

function bindForms() {
  for (const field of document.querySelectorAll('[data-submit]')) {
    field.addEventListener('change', () => field.form.requestSubmit());
  }
  // An address without the parts that say nothing.
  for (const form of document.querySelectorAll('form[method=get]')) {
    form.addEventListener('formdata', (event) => {
      for (const [name, value] of [...event.formData]) if (!value) event.formData.delete(name);
    });
  }
}

function bindCopies() {
  for (const command of document.querySelectorAll('[data-copy]:not(:has(.copy))')) {
    const text = command.textContent;
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'copy';
    button.textContent = 'Copy';
    button.addEventListener('click', async () => {
      try { await navigator.clipboard.writeText(text); button.textContent = 'Copied'; } catch { button.textContent = 'Not allowed'; }
    });
    command.append(button);
  }
}

bindTheme();
bindForms();
if (navigator.clipboard) {
  bindCopies();
  // What is swapped comes without its button.
  document.addEventListener('parts', bindCopies);
}
bindKeys();
bindDialogs();
keepTimes();
bindCharts();
bindLines();
watch();
