// Turns what is inside an element into the given HTML and keeps every node that can stay, so that
// focus, selection and open details survive. Children with an id are matched by it.
export function morph(target, html) {
  const template = document.createElement('template');
  template.innerHTML = html;
  children(target, template.content);
}

function children(parent, wanted) {
  const keyed = new Map([...parent.children].filter((child) => child.id).map((child) => [child.id, child]));
  let at = parent.firstChild;
  for (const want of [...wanted.childNodes]) {
    const have = want.id ? keyed.get(want.id) : alike(at, want) ? at : null;
    if (!have) {
      parent.insertBefore(want, at);
      continue;
    }
    if (have === at) at = at.nextSibling; else parent.insertBefore(have, at);
    node(have, want);
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

function alike(have, want) {
  return have && !have.id && have.nodeName === want.nodeName;
}

function node(have, want) {
  if (have.nodeType !== Node.ELEMENT_NODE) {
    if (have.data !== want.data) have.data = want.data;
    return;
  }
  for (const { name } of [...have.attributes]) {
    // What the reader has opened stays open; rows that can be reached by keys stay so.
    if (!want.hasAttribute(name) && name !== 'open' && name !== 'tabindex') have.removeAttribute(name);
  }
  for (const { name, value } of want.attributes) {
    if (have.getAttribute(name) !== value) have.setAttribute(name, value);
  }
  children(have, want);
}
