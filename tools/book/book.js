// Search: words of the book, from a list of its sections that is read when somebody first asks for it.
'use strict';

const { root } = document.currentScript.dataset;
const field = document.querySelector('#search');
const found = document.querySelector('#found');
field.parentElement.hidden = false; // without this script there is no search

let index; // of Promise: [{ href, title, words, text }]
function load() {
  index ??= new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = `${root}index.js`;
    script.onload = () =>
      resolve(sections.map(([page, anchor, title, text]) => ({
        href: root + page + (anchor && `#${anchor}`), title, text, heading: title.toLowerCase(), words: text.toLowerCase(),
      })));
    script.onerror = reject;
    document.head.append(script);
  });
  return index;
}

const limit = 12;

// Sections with all terms; a term in the title counts for ten in the text.
function matches(all, terms) {
  const count = (text, term) => text.split(term).length - 1;
  return all
    .map((section) => ({
      section,
      score: terms.reduce((sum, term) => {
        const here = 10 * count(section.heading, term) + Math.min(9, count(section.words, term));
        return here ? sum + here : -Infinity;
      }, 0),
    }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score)
    .slice(0, limit)
    .map(({ section }) => section);
}

// The text around the first term, with the term marked.
function excerpt(section, term) {
  const at = section.words.indexOf(term);
  const line = document.createElement('span');
  if (at < 0) {
    line.textContent = section.text.slice(0, 90);
    return line;
  }
  const mark = document.createElement('mark');
  mark.textContent = section.text.slice(at, at + term.length);
  line.append(section.text.slice(Math.max(0, at - 40), at), mark, section.text.slice(at + term.length, at + 60));
  return line;
}

async function search() {
  const terms = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  found.hidden = terms.length === 0;
  if (terms.length === 0) return found.replaceChildren();
  const sections = matches(await load(), terms);
  found.replaceChildren(...sections.map((section) => {
    const item = document.createElement('li');
    const link = document.createElement('a');
    const title = document.createElement('strong');
    link.href = section.href;
    title.textContent = section.title;
    link.append(title, excerpt(section, terms[0]));
    link.addEventListener('click', close);
    item.append(link);
    return item;
  }));
  if (sections.length === 0) found.innerHTML = '<li class="none">Nothing has all of these words</li>';
}

function close() {
  found.hidden = true;
}

field.addEventListener('focus', load, { once: true });
field.addEventListener('input', search);
document.addEventListener('click', ({ target }) => {
  if (!field.parentElement.contains(target)) close();
});
document.addEventListener('keydown', (event) => {
  const links = [...found.querySelectorAll('a')];
  const at = links.indexOf(document.activeElement);
  const inside = field.parentElement.contains(document.activeElement);
  if (event.key === '/' && !inside && !event.target.closest('input, select, textarea')) {
    field.focus();
  } else if (event.key === 'Escape' && inside) {
    close();
    field.focus();
  } else if (event.key === 'Enter' && event.target === field) {
    links[0]?.click();
  } else if (event.key === 'ArrowDown' && inside) {
    links[Math.min(at + 1, links.length - 1)]?.focus();
  } else if (event.key === 'ArrowUp' && at >= 0) {
    (links[at - 1] ?? field).focus();
  } else {
    return;
  }
  event.preventDefault();
});
