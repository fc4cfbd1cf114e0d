// What the page does where scripts run: tabs, tooltips, tables to sort, the matrix in other orders. Without it all parts show, one
// below the other.

export const SCRIPT = `
'use strict';
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // Tabs.
  const parts = all('.part');
  const list = document.querySelector('.tabs');
  const show = (chosen, focus) => {
    parts.forEach((part, i) => {
      part.hidden = i !== chosen;
      const tab = list.children[i];
      tab.setAttribute('aria-selected', String(i === chosen));
      tab.tabIndex = i === chosen ? 0 : -1;
      if (i === chosen && focus) tab.focus();
    });
  };
  if (parts.length > 1) {
    parts.forEach((part, i) => {
      const tab = document.createElement('button');
      tab.type = 'button';
      tab.id = 'tab-' + part.id;
      tab.textContent = part.querySelector('h2').textContent;
      tab.setAttribute('role', 'tab');
      tab.setAttribute('aria-controls', part.id);
      part.setAttribute('role', 'tabpanel');
      part.setAttribute('aria-labelledby', tab.id);
      tab.addEventListener('click', () => show(i, false));
      list.append(tab);
    });
    list.addEventListener('keydown', (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const from = parts.findIndex((part) => !part.hidden);
      const to = event.key === 'Home' ? 0 : event.key === 'End' ? parts.length - 1 : from + step;
      if (Number.isNaN(to)) return;
      event.preventDefault();
      show((to + parts.length) % parts.length, true);
    });
    const linked = parts.findIndex((part) => '#' + part.id === location.hash);
    show(Math.max(0, linked), false);
  }
  document.body.classList.add('tabbed');

  // Tooltips of the charts: the place nearest to the pointer, or chosen by the arrow keys.
  for (const chart of all('.chart')) {
    const svg = chart.querySelector('svg');
    const { x, text } = JSON.parse(chart.querySelector('script').textContent);
    if (x.length === 0) continue;
    const cursor = svg.querySelector('.cursor');
    const tip = document.createElement('div');
    tip.className = 'tip';
    tip.setAttribute('role', 'status');
    tip.hidden = true;
    chart.append(tip);
    let at = -1;
    const tell = (nearest, top) => {
      at = nearest;
      const scale = svg.clientWidth / svg.viewBox.baseVal.width;
      cursor.setAttribute('x1', x[at]);
      cursor.setAttribute('x2', x[at]);
      cursor.setAttribute('visibility', 'visible');
      tip.textContent = text[at];
      tip.hidden = false;
      const left = x[at] * scale + 12;
      const isLeft = left + tip.offsetWidth > svg.clientWidth;
      tip.style.left = Math.max(0, isLeft ? x[at] * scale - tip.offsetWidth - 12 : left) + 'px';
      tip.style.top = Math.max(0, top - tip.offsetHeight - 8) + 'px';
    };
    const hide = () => {
      tip.hidden = true;
      cursor.setAttribute('visibility', 'hidden');
    };
    svg.addEventListener('pointermove', (event) => {
      const box = svg.getBoundingClientRect();
      const place = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
      let [low, high] = [0, x.length - 1];
      while (high - low > 1) {
        const middle = (low + high) >> 1;
        if (x[middle] < place) low = middle;
        else high = middle;
      }
      tell(place - x[low] < x[high] - place ? low : high, event.clientY - box.top);
    });
    svg.addEventListener('pointerleave', hide);
    svg.tabIndex = 0;
    svg.addEventListener('keydown', (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      tell(Math.min(x.length - 1, Math.max(0, at + step)), 60);
    });
    svg.addEventListener('blur', hide);
  }

  // Tables: a click on a head sorts by its column, a second one the other way round.
  for (const table of all('.data')) {
    const heads = all('th', table);
    heads.forEach((head, column) => {
      if (head.textContent === '') return;
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener('click', () => {
        const isNumber = head.classList.contains('number');
        const was = head.getAttribute('aria-sort');
        const descending = was === null ? isNumber : was === 'ascending';
        const keyOf = ({ cells }) => {
          const { value } = cells[column].dataset;
          return isNumber ? (value === undefined ? NaN : Number(value)) : cells[column].textContent;
        };
        const compare = (a, b) => {
          const [of, other] = [keyOf(a), keyOf(b)];
          if (isNumber && (Number.isNaN(of) || Number.isNaN(other))) return Number.isNaN(of) - Number.isNaN(other);
          const order = isNumber ? of - other : of.localeCompare(other, undefined, { numeric: true });
          return descending ? -order : order;
        };
        const body = table.tBodies[0];
        body.append(...[...body.rows].sort(compare));
        heads.forEach((other) => other.removeAttribute('aria-sort'));
        head.setAttribute('aria-sort', descending ? 'descending' : 'ascending');
      });
    });
  }

  // The confusion matrix.
  for (const order of all('[data-order]')) {
    const card = order.closest('.card');
    const table = card.querySelector('.matrix');
    const orders = JSON.parse(card.querySelector(':scope > script').textContent);
    order.addEventListener('change', () => {
      const places = new Map(orders[order.value].map((index, place) => [String(index), place]));
      const sort = (within, items) =>
        within.append(...items.sort((a, b) => places.get(a.dataset.class) - places.get(b.dataset.class)));
      for (const row of table.rows) sort(row, all('[data-class]', row));
      sort(table.tBodies[0], [...table.tBodies[0].rows]);
    });
    card.querySelector('[data-shown]').addEventListener('change', (event) => {
      table.dataset.shows = event.target.value;
    });
  }
})();
`;
