// What all pages of reports have in common: one HTML file that needs nothing else, its parts, tiles and warnings.
import { escapeHtml, scriptJson } from '../html.js';
import { SCRIPT } from './script.js';
import { STYLE } from './style.js';

/** Nothing is fetched or sent, whatever a name in the page may hold. */
const POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

export interface Page {
  readonly title: string;
  /** HTML: the line below the title, then tiles and warnings, and the parts. */
  readonly about: string;
  readonly header: string;
  readonly parts: readonly string[];
  /** What has made it. */
  readonly maker: string;
  /** What the numbers come from, to be read by programs. */
  readonly facts: object;
}

export function pageOf({ title, about, header, parts, maker, facts }: Page): string {
  const heading = escapeHtml(title, 200);
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${heading}</title>
<style>${STYLE}</style>
</head>
<body>
<div class="page">
<header>
<h1>${heading}</h1>
<p class="about">${about}</p>
${header}</header>
<nav class="tabs" role="tablist" aria-label="Parts of the report"></nav>
<main>
${parts.join('')}</main>
<footer>Made by ${maker}. The numbers of this page are in it as JSON, in the element with the id “facts”.</footer>
</div>
<script type="application/json" id="facts">${scriptJson(facts)}</script>
<script>${SCRIPT}</script>
</body>
</html>
`;
}

/** Cards of HTML under a title, '' without any. 'flow': of all heights, in columns; 'rows': of much the same height. */
export const partOf = (id: string, title: string, cards: string, layout: 'rows' | 'flow' = 'rows'): string =>
  cards === ''
    ? ''
    : `<section class="part" id="${escapeHtml(id)}"><h2>${escapeHtml(title)}</h2><div class="cards ${layout}">\n${cards}</div></section>\n`;

/** `small` stands below the value. */
export type Tile = readonly [name: string, value: string, small?: string];

/** Those that have a value. */
export function tilesOf(tiles: readonly Tile[]): string {
  const shown = tiles.filter(([, value]) => value !== '');
  if (shown.length === 0) return '';
  const items = shown.map(([name, value, small = '']) => {
    const below = small === '' ? '' : `<small>${escapeHtml(small)}</small>`;
    return `<div class="tile"><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}${below}</dd></div>`;
  });
  return `<dl class="tiles">${items.join('')}</dl>\n`;
}

export function warningList(warnings: readonly string[]): string {
  if (warnings.length === 0) return '';
  const items = warnings.map((text) => `<li>${escapeHtml(text, 1000)}</li>`);
  return `<ul class="warnings" aria-label="Warnings">${items.join('')}</ul>\n`;
}
