// A chart of lines as SVG: axes, lines or dots, error bars, marks, and what a tooltip says at each place.
import { figure, tickText } from '../figures.js';
import { escapeHtml, scriptJson } from '../html.js';
import { type Scale, scaleOf } from './scale.js';
import { type Point, thin } from './thin.js';

export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
}

/** A line across the chart, at one x or one y. */
export type Mark = { readonly text: string } & ({ readonly x: number } | { readonly y: number });

export interface LineChart {
  /** What the chart shows, for those who do not see it. */
  readonly title: string;
  readonly series: readonly Series[];
  readonly xTitle: string;
  readonly yTitle: string;
  readonly isLogX?: boolean;
  readonly isLogY?: boolean;
  readonly marks?: readonly Mark[];
  /** Of the numbers in tooltips, and of the ticks. */
  readonly format?: (value: number) => string;
  readonly formatTick?: (value: number) => string;
}

export const WIDTH = 440;
export const HEIGHT = 250;
const LEFT = 48;
const RIGHT = 10;
/** Room for the title of the axis above it. */
const TOP = 32;
const BOTTOM = 38;
const MOST_POINTS = 700;
/** Of so few points each is drawn. */
const FEW_POINTS = 60;
const MANY_POINTS = 200;
/** Of a series whose points cannot be told apart by colour alone. */
const DASHES = ['', '6 4', '2 3', '8 3 2 3'];

interface Frame {
  readonly x: Scale;
  readonly y: Scale;
  readonly xOf: (value: number) => number;
  readonly yOf: (value: number) => number;
}

/** '' where no series has a number to draw. */
export function lineChart(chart: LineChart): string {
  const { isLogX = false, isLogY = false, title, marks = [] } = chart;
  const series = chart.series
    .map(({ name, points }) => ({
      name,
      points: thin(
        points
          .filter(({ x }) => Number.isFinite(x) && (!isLogX || x > 0))
          .map((point) => ({ ...point, y: drawable(point.y, isLogY) ? point.y : null })),
        MOST_POINTS,
      ),
    }))
    .filter(({ points }) => points.some(({ y }) => y !== null));
  if (series.length === 0) return '';
  const frame = frameOf(series, marks, isLogX, isLogY);
  const format = chart.format ?? figure;
  return (
    '<figure class="chart">' +
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeHtml(title, 400)}">` +
    `<title>${escapeHtml(title, 400)}</title>${axes(frame, chart)}` +
    `${marks.map((mark) => markLine(mark, frame)).join('')}` +
    `${series.map((it, at) => drawn(it.points, at, frame)).join('')}` +
    `<line class="cursor" y1="${TOP}" y2="${HEIGHT - BOTTOM}" x1="0" x2="0" visibility="hidden"/></svg>` +
    `${series.length > 1 ? legend(series) : ''}` +
    `<script type="application/json">${scriptJson(tips(series, chart.xTitle, format, frame))}</script></figure>`
  );
}

const drawable = (y: number | null, isLog: boolean): boolean =>
  y !== null && Number.isFinite(y) && (!isLog || y > 0);

function frameOf(series: readonly Series[], marks: readonly Mark[], isLogX: boolean, isLogY: boolean): Frame {
  const points = series.flatMap(({ points }) => points);
  const ys = points.flatMap(({ y, low, high }) =>
    [y, low, high].filter((it): it is number => drawable(it ?? null, isLogY)),
  );
  const markYs = marks.flatMap((mark) => ('y' in mark && drawable(mark.y, isLogY) ? [mark.y] : []));
  const x = scaleOf(
    points.map((point) => point.x),
    { isLog: isLogX, isTight: true },
  );
  const y = scaleOf(ys, { isLog: isLogY, includes: markYs });
  return {
    x,
    y,
    xOf: (value) => LEFT + x.place(value) * (WIDTH - LEFT - RIGHT),
    yOf: (value) => HEIGHT - BOTTOM - y.place(value) * (HEIGHT - TOP - BOTTOM),
  };
}

const at = (value: number): string => value.toFixed(1).replace(/\.0$/, '');

function axes({ x, y, xOf, yOf }: Frame, chart: LineChart): string {
  const { xTitle, yTitle, isLogY, formatTick = tickText } = chart;
  const right = WIDTH - RIGHT;
  const bottom = HEIGHT - BOTTOM;
  const horizontal = y.ticks
    .map((tick) => {
      const place = at(yOf(tick));
      return (
        `<line class="grid" x1="${LEFT}" x2="${right}" y1="${place}" y2="${place}"/>` +
        `<text class="tick end" x="${LEFT - 5}" y="${place}" dy=".34em">${escapeHtml(formatTick(tick))}</text>`
      );
    })
    .join('');
  const vertical = x.ticks
    .map((tick) => {
      const place = at(xOf(tick));
      return (
        `<line class="axis" x1="${place}" x2="${place}" y1="${bottom}" y2="${bottom + 4}"/>` +
        `<text class="tick middle" x="${place}" y="${bottom + 15}">${escapeHtml(tickText(tick))}</text>`
      );
    })
    .join('');
  return (
    `${horizontal}<line class="axis" x1="${LEFT}" x2="${right}" y1="${bottom}" y2="${bottom}"/>${vertical}` +
    `<text class="label middle" x="${at((LEFT + right) / 2)}" y="${HEIGHT - 5}">${escapeHtml(xTitle)}</text>` +
    `<text class="label" x="1" y="11">${escapeHtml(yTitle)}${isLogY ? ' (log)' : ''}</text>`
  );
}

function markLine(mark: Mark, { x, y, xOf, yOf }: Frame): string {
  const text = escapeHtml(mark.text);
  if ('y' in mark) {
    const part = y.place(mark.y);
    if (!(part >= 0 && part <= 1)) return '';
    const place = at(yOf(mark.y));
    return (
      `<line class="mark" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${place}" y2="${place}"/>` +
      `<text class="tick end" x="${WIDTH - RIGHT - 2}" y="${place}" dy="-.4em">${text}</text>`
    );
  }
  const part = x.place(mark.x);
  if (!(part >= -1e-9 && part <= 1 + 1e-9)) return '';
  const place = xOf(mark.x);
  const isLeft = part > 0.6;
  return (
    `<line class="mark" x1="${at(place)}" x2="${at(place)}" y1="${TOP}" y2="${HEIGHT - BOTTOM}"/>` +
    `<text class="tick${isLeft ? ' end' : ''}" x="${at(place + (isLeft ? -5 : 5))}" y="${TOP - 6}">${text}</text>`
  );
}

function drawn(points: readonly Point[], series: number, { xOf, yOf }: Frame): string {
  const color = `s${series % 6}`;
  let path = '';
  let isOpen = false;
  for (const { x, y } of points) {
    if (y !== null) path += `${isOpen ? 'L' : 'M'}${at(xOf(x))} ${at(yOf(y))}`;
    isOpen = y !== null;
  }
  const dash = DASHES[series % DASHES.length];
  // A line of many points is mostly noise: the others stay visible beside it.
  const thickness = points.length > MANY_POINTS ? ' faint' : '';
  const line = `<path class="line ${color}${thickness}" d="${path}"${dash ? ` stroke-dasharray="${dash}"` : ''}/>`;
  const bars = points
    .filter(({ y, low, high }) => y !== null && Number.isFinite(low) && Number.isFinite(high))
    .map(({ x, low = 0, high = 0 }) => {
      const [left, right] = [at(xOf(x) - 4), at(xOf(x) + 4)];
      const [from, to] = [at(yOf(low)), at(yOf(high))];
      const path = `M${at(xOf(x))} ${from}V${to}M${left} ${from}H${right}M${left} ${to}H${right}`;
      return `<path class="line thin ${color}" d="${path}"/>`;
    });
  const shown = points.filter(
    ({ y }, i) => y !== null && (points.length <= FEW_POINTS || isAlone(points, i)),
  );
  const dots = shown.map(
    ({ x, y }) => `<circle class="dot ${color}" cx="${at(xOf(x))}" cy="${at(yOf(y ?? 0))}" r="2.1"/>`,
  );
  return `${line}${bars.join('')}${dots.join('')}`;
}

/** A point without neighbours would not show as a line. */
const isAlone = (points: readonly Point[], i: number): boolean =>
  (points[i - 1]?.y ?? null) === null && (points[i + 1]?.y ?? null) === null;

export const legend = (series: readonly { readonly name: string }[]): string =>
  `<figcaption class="legend">${series
    .map(({ name }, i) => {
      const dash = DASHES[i % DASHES.length];
      const line = `<line class="line s${i % 6}" x1="0" x2="26" y1="5" y2="5"${dash ? ` stroke-dasharray="${dash}"` : ''}/>`;
      return `<span><svg viewBox="0 0 26 10" width="26" height="10" aria-hidden="true">${line}</svg>${escapeHtml(name)}</span>`;
    })
    .join('')}</figcaption>`;

/** For the tooltips: places in units of the view box, in order, and lines of text for each. */
function tips(series: readonly Series[], xTitle: string, format: (value: number) => string, { xOf }: Frame) {
  const lines = new Map<number, string[]>();
  for (const { name, points } of series) {
    for (const { x, y, text } of points) {
      if (y === null) continue;
      const all = lines.get(x) ?? [`${xTitle} ${figure(x)}`];
      all.push(`${name}: ${text ?? format(y)}`);
      lines.set(x, all);
    }
  }
  const ordered = [...lines].sort(([a], [b]) => a - b);
  return { x: ordered.map(([x]) => Number(at(xOf(x)))), text: ordered.map(([, all]) => all.join('\n')) };
}
