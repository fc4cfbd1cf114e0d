// How often predictions are right, against how sure the model is of them; and how many rows it is so sure of.
import type { BinFacts } from '../facts.js';
import { isNumber, percent, whole } from '../figures.js';
import { escapeHtml, scriptJson } from '../html.js';
import { legend } from './line-chart.js';

const WIDTH = 440;
const HEIGHT = 288;
const LEFT = 48;
const RIGHT = 10;
const TOP = 26;
/** Where the diagram ends and the bars of rows begin and end. */
const BOTTOM = 204;
const BARS_TOP = 212;
const BARS_BOTTOM = 250;

const xOf = (value: number): number => LEFT + value * (WIDTH - LEFT - RIGHT);
const yOf = (value: number): number => BOTTOM - value * (BOTTOM - TOP);
const at = (value: number): string => value.toFixed(1).replace(/\.0$/, '');

export interface ReliabilitySeries {
  readonly name: string;
  readonly bins: readonly BinFacts[];
}

/** The first series is that of the model as it is, whose rows are counted below; '' without rows. */
export function reliabilityChart(series: readonly ReliabilitySeries[]): string {
  const [first] = series;
  if (first === undefined || !first.bins.some(({ rows }) => rows > 0)) return '';
  const title = `Reliability: accuracy against confidence of ${whole(sum(first.bins))} rows in ${first.bins.length} bins`;
  const lines = series.map(({ bins }, i) => curve(bins, i)).join('');
  return (
    `<figure class="chart"><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeHtml(title)}">` +
    `<title>${escapeHtml(title)}</title>${axes()}${rowBars(first.bins)}${lines}` +
    `<line class="cursor" y1="${TOP}" y2="${BARS_BOTTOM}" x1="0" x2="0" visibility="hidden"/></svg>` +
    `${series.length > 1 ? legend(series) : ''}` +
    `<script type="application/json">${scriptJson(tips(series))}</script></figure>`
  );
}

const sum = (bins: readonly BinFacts[]): number => bins.reduce((all, { rows }) => all + rows, 0);

function axes(): string {
  const ticks = [0, 0.2, 0.4, 0.6, 0.8, 1];
  const middle = at((WIDTH + LEFT - RIGHT) / 2);
  const horizontal = ticks.map(
    (tick) =>
      `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at(yOf(tick))}" y2="${at(yOf(tick))}"/>` +
      `<text class="tick end" x="${LEFT - 5}" y="${at(yOf(tick))}" dy=".34em">${Math.round(100 * tick)} %</text>`,
  );
  const vertical = ticks.map(
    (tick) =>
      `<text class="tick middle" x="${at(xOf(tick))}" y="${BARS_BOTTOM + 15}">${Math.round(100 * tick)} %</text>`,
  );
  return (
    `${horizontal.join('')}${vertical.join('')}` +
    `<line class="mark" x1="${LEFT}" y1="${BOTTOM}" x2="${WIDTH - RIGHT}" y2="${TOP}"/>` +
    `<line class="axis" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${BARS_BOTTOM}" y2="${BARS_BOTTOM}"/>` +
    `<text class="label middle" x="${middle}" y="${HEIGHT - 5}">confidence: probability of the prediction</text>` +
    `<text class="label" x="1" y="11">accuracy: share of the rows predicted correctly</text>` +
    `<text class="tick end" x="${LEFT - 5}" y="${at((BARS_TOP + BARS_BOTTOM) / 2)}" dy=".34em">rows</text>`
  );
}

function rowBars(bins: readonly BinFacts[]): string {
  const most = Math.max(...bins.map(({ rows }) => rows));
  return bins
    .filter(({ rows }) => rows > 0)
    .map(({ from, to, rows }) => {
      // What is there can be seen.
      const height = Math.max(1, (rows / most) * (BARS_BOTTOM - BARS_TOP));
      const width = Math.max(1, xOf(to) - xOf(from) - 2);
      return `<rect class="count-bar" x="${at(xOf(from) + 1)}" width="${at(width)}" y="${at(BARS_BOTTOM - height)}" height="${at(height)}"/>`;
    })
    .join('');
}

function curve(bins: readonly BinFacts[], series: number): string {
  const known = bins.filter(
    ({ rows, accuracy, confidence }) => rows > 0 && isNumber(accuracy) && isNumber(confidence),
  );
  const places = known.map(
    ({ accuracy, confidence }) => [at(xOf(confidence ?? 0)), at(yOf(accuracy ?? 0))] as const,
  );
  const dash = series === 0 ? '' : ' stroke-dasharray="6 4"';
  const dots = places.map(([x, y]) => `<circle class="dot s${series}" cx="${x}" cy="${y}" r="2.5"/>`);
  const path = places.map(([x, y], i) => `${i === 0 ? 'M' : 'L'}${x} ${y}`).join('');
  return `<path class="line s${series}" d="${path}"${dash}/>${dots.join('')}`;
}

function tips(series: readonly ReliabilitySeries[]) {
  const bins = series[0]?.bins ?? [];
  const texts = bins.map(({ from, to }, bin) => {
    const lines = series.map(({ name, bins: own }) => {
      const { rows = 0, accuracy = null, confidence = null } = own[bin] ?? {};
      const of = series.length > 1 ? `${name}: ` : '';
      return rows === 0
        ? `${of}no rows`
        : `${of}${percent(accuracy, 1)} right of ${whole(rows)} rows, ${percent(confidence, 1)} sure`;
    });
    return [`confidence ${percent(from, 1)} to ${percent(to, 1)}`, ...lines].join('\n');
  });
  return { x: bins.map(({ from, to }) => Number(at(xOf((from + to) / 2)))), text: texts };
}
