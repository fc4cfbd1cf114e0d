// How C was chosen, or which model of a sweep: scores of held-out rows against the penalty or whatever differs, and the table.
import { lineChart, type Series } from '../charts/line-chart.js';
import type { ChoiceFacts, HeadFacts, JsonFact, ReportFacts } from '../facts.js';
import { counted, figure, isNumber, lossText, percent, percentTick, tickText, whole } from '../figures.js';
import { card, dataTable } from '../html.js';

export function choice(facts: ReportFacts): string {
  const { result } = facts;
  const chosen = result?.choice;
  const heads = headsOf(facts);
  if (heads.length > 0) return sweepCharts(heads, facts) + headTable(heads, facts);
  return chosen ? choiceCharts(chosen, facts) + triedTable(chosen, facts) : '';
}

/** Of a sweep that has not ended: what its metrics say so far. */
function headsOf({ result, metrics = [] }: ReportFacts): readonly HeadFacts[] {
  if (result?.heads !== undefined) return result.heads;
  const lines = new Map<
    number,
    { options: Record<string, JsonFact>; losses: number[]; accuracies: number[] }
  >();
  for (const line of metrics) {
    const { head, C } = line;
    if (!isNumber(head)) continue;
    const so = lines.get(head) ?? { options: {}, losses: [], accuracies: [] };
    lines.set(head, so);
    if (isNumber(C)) so.options.C = C;
    const [loss, accuracy] = [line['validation/loss'], line['validation/accuracy']];
    if (isNumber(loss)) so.losses.push(loss);
    if (isNumber(accuracy)) so.accuracies.push(accuracy);
  }
  const mean = (values: readonly number[]) =>
    values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
  return [...lines].map(([head, { options, losses, accuracies }]) => ({
    head,
    options,
    loss: mean(losses),
    accuracy: mean(accuracies),
    losses,
    accuracies,
  }));
}

/** In the order in which the names first come. */
function grouped<Item>(items: readonly Item[], nameOf: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const name = nameOf(item);
    groups.set(name, [...(groups.get(name) ?? []), item]);
  }
  return groups;
}

/** Options that take several numbers, those that range over decades first. */
function variedNumbers(heads: readonly HeadFacts[]): readonly string[] {
  const names = new Set(heads.flatMap(({ options }) => Object.keys(options)));
  return [...names].filter((name) => {
    const values = new Set(heads.map(({ options }) => options[name]).filter(isNumber));
    return values.size > 1 && name !== 'seed';
  });
}

const titleOf = (name: string): string =>
  name.replace(/[A-Z]/g, (letter, at) => (at === 0 ? letter : ` ${letter.toLowerCase()}`));

const valueText = (value: JsonFact | undefined): string =>
  isNumber(value) ? figure(value) : typeof value === 'string' ? value : JSON.stringify(value ?? null);

function sweepCharts(heads: readonly HeadFacts[], { result }: ReportFacts): string {
  const [against] = ['C', ...variedNumbers(heads)].filter((name) => variedNumbers(heads).includes(name));
  if (against === undefined) return '';
  const others = [...new Set(heads.flatMap(({ options }) => Object.keys(options)))].filter(
    (name) => name !== against && new Set(heads.map(({ options }) => valueText(options[name]))).size > 1,
  );
  const groups = grouped(heads, ({ options }) =>
    others.map((name) => `${titleOf(name)} ${valueText(options[name])}`).join(', '),
  );
  const best = heads.find(({ head }) => head === result?.best);
  const chart = (what: 'accuracy' | 'loss') =>
    scoreChart(
      what,
      titleOf(against),
      [...groups].slice(0, MOST_GROUPS).map(([name, own]) => ({
        name: name || what,
        points: pointsOf(own, against, what),
      })),
      best?.options[against],
    );
  return chart('accuracy') + chart('loss');
}

/** Lines that can be told apart. */
const MOST_GROUPS = 6;

function pointsOf(heads: readonly HeadFacts[], against: string, what: 'accuracy' | 'loss') {
  return heads
    .filter(({ options }) => isNumber(options[against]))
    .map((head) => {
      const [mean, parts, error] =
        what === 'accuracy'
          ? [head.accuracy, head.accuracies ?? [], head.accuracyError]
          : [head.loss, head.losses ?? [], head.lossError];
      const known = parts.filter(isNumber);
      const spread = known.length > 1 ? { low: Math.min(...known), high: Math.max(...known) } : {};
      const text = what === 'accuracy' ? percent(mean) : lossText(mean);
      const by = isNumber(error) ? ` ± ${what === 'accuracy' ? percent(error) : lossText(error)}` : '';
      return { x: head.options[against] as number, y: mean, ...spread, text: `${text}${by}` };
    })
    .sort((a, b) => a.x - b.x);
}

function choiceCharts({ tried, folds }: ChoiceFacts, { result }: ReportFacts): string {
  const groups = grouped(tried, ({ scale }) => (scale === 'none' ? 'features as they are' : 'standardised'));
  const chart = (what: 'accuracy' | 'loss') =>
    scoreChart(
      what,
      'C',
      [...groups].map(([name, own]) => ({
        name,
        points: own
          .map(({ C, loss, standardError, accuracy }) => {
            if (what === 'accuracy') return { x: C, y: accuracy, text: percent(accuracy) };
            const error = standardError ?? Number.NaN;
            const spread = isNumber(loss) ? { low: loss - error, high: loss + error } : {};
            return { x: C, y: loss, ...spread, text: `${lossText(loss)} ± ${lossText(standardError)}` };
          })
          .sort((a, b) => a.x - b.x),
      })),
      result?.C,
      folds > 1 ? 'Bars: a standard error of the mean.' : 'Bars: a standard error.',
    );
  return chart('accuracy') + chart('loss');
}

function scoreChart(
  what: 'accuracy' | 'loss',
  against: string,
  series: readonly Series[],
  chosen: unknown,
  bars = 'Bars: from the worst to the best of the parts that were held out.',
): string {
  const xs = series.flatMap(({ points }) => points.map(({ x }) => x)).filter((x) => x > 0);
  const isLogX = xs.length > 0 && Math.max(...xs) >= 20 * Math.min(...xs);
  const hasBars = series.some(({ points }) => points.some(({ low }) => Number.isFinite(low)));
  const title = `${what === 'accuracy' ? 'Accuracy' : 'Loss'} against ${against}`;
  const content = lineChart({
    title: `${title}, on rows held out`,
    series,
    xTitle: isLogX ? `${against} (log)` : against,
    yTitle: what === 'accuracy' ? 'accuracy on rows held out' : 'loss on rows held out',
    isLogX,
    format: what === 'accuracy' ? (value) => percent(value) : figure,
    formatTick: what === 'accuracy' ? percentTick : tickText,
    marks: isNumber(chosen) ? [{ x: chosen, text: `chosen: ${figure(chosen)}` }] : [],
  });
  return card(title, content, hasBars ? { note: bars } : {});
}

function triedTable({ tried, folds, rows, passes }: ChoiceFacts, { result }: ReportFacts): string {
  const held = folds === 1 ? 'a fifth of' : `${folds} folds of`;
  return card(
    'Settings that were tried',
    dataTable(
      'Settings that were tried',
      [
        { title: 'features' },
        { title: 'C', isNumber: true },
        { title: 'loss', isNumber: true },
        { title: '± error', isNumber: true },
        { title: 'accuracy', isNumber: true },
        { title: '' },
      ],
      [...tried]
        .sort((a, b) => a.scale.localeCompare(b.scale) || a.C - b.C)
        .map(({ scale, C, loss, standardError, accuracy }) => {
          const isMarked = scale === result?.scale && C === result.C;
          return {
            isMarked,
            cells: [
              scale === 'none' ? 'as they are' : 'standardised',
              { text: figure(C), value: C },
              { text: lossText(loss), value: loss },
              { text: lossText(standardError), value: standardError },
              { text: percent(accuracy), value: accuracy },
              isMarked ? 'chosen' : '',
            ],
          };
        }),
    ),
    {
      wide: true,
      note: `By the loss of ${held} ${counted(rows, 'row')}, held out; ${counted(Math.ceil(passes), 'pass', 'passes')} over all rows.`,
    },
  );
}

const MOST_HEADS = 200;

function headTable(heads: readonly HeadFacts[], { result }: ReportFacts): string {
  const names = [...new Set(heads.flatMap(({ options }) => Object.keys(options)))];
  const shown = heads.slice(0, MOST_HEADS);
  const rest = heads.length - shown.length;
  const table = dataTable(
    'Models of the sweep',
    [
      { title: 'rank', isNumber: true },
      ...names.map((name) => ({
        title: titleOf(name),
        isNumber: heads.some(({ options }) => isNumber(options[name])),
      })),
      { title: 'loss', isNumber: true },
      { title: '± error', isNumber: true },
      { title: 'accuracy', isNumber: true },
      { title: 'passes', isNumber: true },
      { title: '' },
    ],
    shown.map((head, place) => {
      const { options, loss, lossError, accuracy, passes = [] } = head;
      const all = passes.filter(isNumber).reduce((sum, it) => sum + it, 0);
      return {
        isMarked: head.head === result?.best,
        cells: [
          { text: String(place + 1), value: place + 1 },
          ...names.map((name) => {
            const value = options[name];
            return { text: value === undefined ? '' : valueText(value), ...(isNumber(value) && { value }) };
          }),
          { text: lossText(loss), value: loss },
          { text: lossText(lossError), value: lossError ?? null },
          { text: percent(accuracy), value: accuracy },
          { text: passes.length === 0 ? '–' : whole(Math.ceil(all)), value: all },
          remarkOf(head, result?.best),
        ],
      };
    }),
  );
  const parts = isNumber(result?.cv)
    ? `Each score is the mean of ${result.cv} parts that were held out in turn. `
    : '';
  const more = rest > 0 ? `The first ${whole(shown.length)} of ${whole(heads.length)}.` : '';
  return card('Models', table, { wide: true, note: `${parts}${more}` });
}

function remarkOf(
  { head, error, droppedAfter, stopReason = [] }: HeadFacts,
  best: number | null | undefined,
) {
  if (error) return { text: 'failed', title: error };
  if (head === best) return 'best';
  if (isNumber(droppedAfter)) return `dropped after epoch ${droppedAfter}`;
  return stopReason.includes('worse') ? 'left early: clearly worse' : '';
}
