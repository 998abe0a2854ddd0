// Keeps relative times true between two answers; src/show/time.rs has the same words. By this
// machine's clock, which is taken to be right.
const UNITS = [[172_800, 86_400, 'd'], [3600, 3600, 'h'], [60, 60, 'min'], [0, 1, 's']];

function relative(seconds) {
  const away = Math.abs(seconds);
  if (away < 5) return 'just now';
  const [, size, unit] = UNITS.find(([from]) => away >= from);
  const text = `${Math.floor(away / size)} ${unit}`;
  return seconds > 0 ? `in ${text}` : `${text} ago`;
}

export function keepTimes() {
  setInterval(() => {
    if (document.hidden) return;
    for (const element of document.querySelectorAll('time[datetime]')) {
      const text = relative((Date.parse(element.dateTime) - Date.now()) / 1000);
      if (element.textContent !== text) element.textContent = text;
    }
  }, 5000);
}
