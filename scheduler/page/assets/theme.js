// Puts the chosen colours on the page before it is drawn. Not a module, so that nothing flashes.
(function () {
  let chosen = null;
  try { chosen = localStorage.getItem('theme'); } catch { /* no storage, no choice */ }
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
})();
