// Text for HTML: escaped whatever it holds, and shown as it is, control and bidi characters too.
import { printable, printableJson, shortened } from '../../printable.js';

const SHOWN_CHARACTERS = 120;

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** For content and for attributes in quotes; the middle of a long text is left out. */
export const escapeHtml = (text: string, most = SHOWN_CHARACTERS): string =>
  printable(shortened(text, most - 20, 20)).replace(/[&<>"']/g, (character) => ENTITIES[character]!);

/** JSON inside a script element: nothing in it ends the element or begins a comment. Bigints, which JSON lacks, are texts. */
export const scriptJson = (value: unknown): string =>
  printableJson(
    JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? String(part) : part)),
  ).replace(/[<>&]/g, (character) => `\\u00${character.charCodeAt(0).toString(16)}`);

/** A part of the page with a heading; no part without content. */
export const card = (title: string, content: string, { wide = false, note = '' } = {}): string =>
  content === ''
    ? ''
    : `<section class="card${wide ? ' wide' : ''}"><h3>${escapeHtml(title)}</h3>` +
      `${note === '' ? '' : `<p class="note">${note}</p>`}${content}</section>\n`;

export interface Column {
  readonly title: string;
  /** Flush right, and sorted by value. */
  readonly isNumber?: boolean;
}

export interface Cell {
  readonly text: string;
  /** What to sort by; default the text. */
  readonly value?: number | null;
  /** Draws a bar of this part of the cell's width. */
  readonly part?: number | null;
  readonly title?: string;
}

export type TableRow = { readonly cells: readonly (Cell | string)[]; readonly isMarked?: boolean };

/** A table whose columns the reader can sort by. */
export function dataTable(caption: string, columns: readonly Column[], rows: readonly TableRow[]): string {
  if (rows.length === 0) return '';
  const head = columns
    .map(
      ({ title, isNumber }) =>
        `<th scope="col"${isNumber ? ' class="number"' : ''}>${escapeHtml(title)}</th>`,
    )
    .join('');
  const body = rows
    .map(({ cells, isMarked }) => {
      const content = cells.map((cell, at) => tableCell(cell, columns[at]?.isNumber ?? false)).join('');
      return `<tr${isMarked ? ' class="marked"' : ''}>${content}</tr>`;
    })
    .join('\n');
  return (
    `<div class="scroll" tabindex="0" role="region" aria-label="${escapeHtml(caption)}">` +
    `<table class="data"><caption class="hidden">${escapeHtml(caption)}</caption>` +
    `<thead><tr>${head}</tr></thead>\n<tbody>${body}</tbody></table></div>`
  );
}

function tableCell(cell: Cell | string, isNumber: boolean): string {
  const { text, value, part, title } = typeof cell === 'string' ? ({ text: cell } as Cell) : cell;
  const bar = typeof part === 'number' && Number.isFinite(part);
  const attributes = [
    (isNumber || bar) && `class="${[isNumber && 'number', bar && 'bar'].filter(Boolean).join(' ')}"`,
    typeof value === 'number' && `data-value="${value}"`,
    bar && `style="--part:${Math.max(0, Math.min(1, part)).toFixed(4)}"`,
    title !== undefined && `title="${escapeHtml(title, 400)}"`,
  ].filter(Boolean);
  return `<td${attributes.map((it) => ` ${it}`).join('')}>${escapeHtml(text)}</td>`;
}

/** Names and values, one below the other; those without a value are left out. */
export function nameValues(entries: readonly (readonly [name: string, value: string | undefined])[]): string {
  const known = entries.filter(([, value]) => value !== undefined && value !== '');
  if (known.length === 0) return '';
  const items = known.map(
    ([name, value = '']) => `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value, 400)}</dd></div>`,
  );
  return `<dl>${items.join('')}</dl>`;
}
