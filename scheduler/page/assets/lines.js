// Follows the log: new lines go to its end, and it scrolls along while its reader is there.
const MOST = 5000;

export function bindLines() {
  const box = document.querySelector('[data-lines]');
  if (!box) return;
  box.scrollTop = box.scrollHeight;
  document.addEventListener('lines', ({ detail }) => {
    const isAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
    const template = document.createElement('template');
    template.innerHTML = detail.html;
    box.append(template.content);
    while (box.childElementCount > MOST) box.firstElementChild.remove();
    document.querySelector('[data-no-lines]')?.remove();
    if (isAtEnd) box.scrollTop = box.scrollHeight;
  });
}
