// Asks in a dialog what the page behind a link would ask; where that fails, the link is followed.
async function ask(link) {
  const answer = await fetch(link.href, { headers: { accept: 'text/html' } });
  if (!answer.ok) throw new Error(answer.statusText);
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  const form = page.querySelector('[data-ask]');
  const dialog = document.createElement('dialog');
  dialog.className = 'sheet';
  dialog.append(document.adoptNode(form));
  dialog.setAttribute('aria-label', form.querySelector('h1').textContent);
  dialog.addEventListener('close', () => dialog.remove());
  dialog.addEventListener('click', (event) => {
    // Beside the form, or on what keeps things as they are.
    const isKeep = event.target.closest('[data-close]');
    if (event.target !== dialog && !isKeep) return;
    event.preventDefault();
    dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
}

export function bindDialogs() {
  document.addEventListener('click', (event) => {
    const link = event.target.closest?.('a[data-dialog]');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    ask(link).catch(() => { location.href = link.href; });
  });
}
