// Which classes are taken for which: a matrix of those that fit, and the most frequent mistakes of any number.
import type { ConfusionFacts, EvaluationFacts } from '../facts.js';
import { percent, whole } from '../figures.js';
import { card, dataTable, escapeHtml, scriptJson } from '../html.js';

/** What fits a page. */
const MOST_CLASSES = 30;
/** What fits half a page. */
const FEW_CLASSES = 12;
const MOST_CONFUSIONS = 20;

export const nameOf = (evaluation: EvaluationFacts, index: number): string =>
  evaluation.classNames?.[index] ??
  evaluation.perClass?.find((it) => it.class === index)?.name ??
  String(index);

export function confusions(evaluation: EvaluationFacts): string {
  return matrix(evaluation) + confusionTable(evaluation);
}

function matrix(evaluation: EvaluationFacts): string {
  const { confusion } = evaluation;
  if (!confusion || confusion.length < 2) return '';
  const all = confusion.map((row, index) => ({
    index,
    rows: row.reduce((sum, count) => sum + count, 0),
    wrong: row.reduce((sum, count, other) => (other === index ? sum : sum + count), 0),
  }));
  const chosen =
    all.length <= MOST_CLASSES
      ? all
      : [...all].sort((a, b) => b.wrong - a.wrong || a.index - b.index).slice(0, MOST_CLASSES);
  const names = new Map(chosen.map(({ index }) => [index, nameOf(evaluation, index)]));
  const byIndex = [...chosen].sort((a, b) => a.index - b.index);
  const orders = {
    index: byIndex.map(({ index }) => index),
    name: [...byIndex]
      .sort((a, b) => compareNames(names.get(a.index)!, names.get(b.index)!) || a.index - b.index)
      .map(({ index }) => index),
    frequency: [...byIndex].sort((a, b) => b.rows - a.rows || a.index - b.index).map(({ index }) => index),
  };
  const head = orders.index
    .map(
      (index) =>
        `<th scope="col" data-class="${index}"><span>${escapeHtml(names.get(index)!, 24)}</span></th>`,
    )
    .join('');
  const body = byIndex
    .map(({ index, rows }) => {
      const cells = orders.index
        .map((other) => matrixCell(confusion[index]?.[other] ?? 0, rows, index === other, other))
        .join('');
      const name = escapeHtml(names.get(index)!, 24);
      return `<tr data-class="${index}"><th scope="row" title="${whole(rows)} rows">${name}</th>${cells}</tr>`;
    })
    .join('\n');
  const table =
    '<div class="controls"><label>order <select data-order><option value="index">of the classes</option>' +
    '<option value="name">by name</option><option value="frequency">by frequency</option></select></label>' +
    '<label>show <select data-shown><option value="share">% of the true class</option>' +
    '<option value="count">rows</option></select></label></div>' +
    '<div class="scroll" tabindex="0" role="region" aria-label="Confusion matrix">' +
    `<table class="matrix" data-shows="share"><caption class="hidden">Confusion matrix: a row for each true class, ` +
    `a column for each predicted class</caption><thead><tr><th class="corner"><span>true</span> \\ predicted</th>${head}</tr></thead>` +
    `<tbody>${body}</tbody></table></div><script type="application/json">${scriptJson(orders)}</script>`;
  const some =
    chosen.length < all.length
      ? `The ${chosen.length} of ${whole(all.length)} classes with the most mistakes. `
      : '';
  const note = `${some}Blue: classified correctly; orange: mistakes, each as a share of the rows of its true class.`;
  return card('Confusion matrix', table, { wide: chosen.length > FEW_CLASSES, note });
}

function matrixCell(count: number, rows: number, isRight: boolean, other: number): string {
  const share = rows === 0 ? 0 : count / rows;
  // Mistakes are few: the root shows them beside what is right.
  const strength = (isRight ? share : Math.sqrt(share)).toFixed(3);
  const text =
    count === 0
      ? ''
      : `<span class="share">${(100 * share).toFixed(share < 0.0995 ? 1 : 0)}</span><span class="count">${whole(count)}</span>`;
  const kind = `${isRight ? 'right' : 'wrong'}${Number(strength) > 0.55 ? ' strong' : ''}`;
  return `<td class="${kind}" data-class="${other}" style="--part:${strength}" title="${whole(count)} rows, ${percent(share)}">${text}</td>`;
}

/** Numbers in names by value; without a locale, so that pages are the same everywhere. */
function compareNames(a: string, b: string): number {
  const [x, y] = [Number(a), Number(b)];
  if (!Number.isNaN(x) && !Number.isNaN(y) && x !== y) return x - y;
  return a < b ? -1 : a > b ? 1 : 0;
}

function confusionTable(evaluation: EvaluationFacts): string {
  const pairs = evaluation.topConfusions ?? pairsOf(evaluation);
  const supports = new Map(evaluation.perClass?.map((it) => [it.class, it.rows]));
  const table = dataTable(
    'Most frequent mistakes',
    [
      { title: 'true class' },
      { title: 'taken for' },
      { title: 'rows', isNumber: true },
      { title: 'of the class', isNumber: true },
    ],
    pairs.slice(0, MOST_CONFUSIONS).map(({ target, prediction, rows }) => {
      const support = supports.get(target);
      const share = support ? rows / support : null;
      return {
        cells: [
          nameOf(evaluation, target),
          nameOf(evaluation, prediction),
          { text: whole(rows), value: rows },
          { text: percent(share, 1), value: share, part: share },
        ],
      };
    }),
  );
  return card('Most frequent mistakes', table);
}

function pairsOf({ confusion }: EvaluationFacts): readonly ConfusionFacts[] {
  const pairs = (confusion ?? []).flatMap((row, target) =>
    row.flatMap((rows, prediction) =>
      rows > 0 && prediction !== target ? [{ target, prediction, rows }] : [],
    ),
  );
  return pairs.sort((a, b) => b.rows - a.rows || a.target - b.target || a.prediction - b.prediction);
}
