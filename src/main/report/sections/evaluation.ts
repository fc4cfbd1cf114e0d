// How a model does on rows whose classes are known: figures, reliability, classes, worst rows.
import { reliabilityChart } from '../charts/reliability-chart.js';
import type { EvaluationFacts } from '../facts.js';
import { counted, figure, isNumber, lossText, percent, whole } from '../figures.js';
import { card, dataTable, escapeHtml, nameValues } from '../html.js';
import { confusions, nameOf } from './confusion.js';

export const evaluationSection = (evaluation: EvaluationFacts): string =>
  figures(evaluation) +
  reliability(evaluation) +
  confusions(evaluation) +
  classTable(evaluation) +
  worstTable(evaluation);

function figures(evaluation: EvaluationFacts): string {
  const { rows, ignored = 0, invalid = 0, loss, lossStandardError, perplexity, macro, weighted } = evaluation;
  const { accuracy, majority, correct, topK, topKAccuracy, calibration, of } = evaluation;
  const error = isNumber(lossStandardError) ? ` ± ${lossText(lossStandardError)}` : '';
  return card(
    'Figures',
    nameValues([
      ['rows', `${whole(rows)}${of === undefined ? '' : ` (${of})`}`],
      ['left out', ignored + invalid > 0 ? whole(ignored + invalid) : ''],
      ['accuracy', percent(accuracy)],
      ['correct', isNumber(correct) ? `${whole(correct)} of ${whole(rows)}` : ''],
      ['largest class alone', isNumber(majority) ? percent(majority) : ''],
      [`top-${topK} accuracy`, isNumber(topK) && topK > 1 ? percent(topKAccuracy) : ''],
      ['loss', `${lossText(loss)}${error}`],
      ['perplexity', isNumber(perplexity) ? figure(perplexity) : ''],
      ['macro F1', macro ? percent(macro.f1) : ''],
      ['weighted F1', weighted ? percent(weighted.f1) : ''],
      ['calibration error', calibration ? percent(calibration.expectedError) : ''],
    ]),
  );
}

function reliability({ calibration, beforeTemperature, temperature }: EvaluationFacts): string {
  if (calibration === undefined) return '';
  const before = beforeTemperature?.calibration;
  const errors =
    before === undefined
      ? `Expected calibration error ${percent(calibration.expectedError)}.`
      : `Expected calibration error ${percent(before.expectedError)} before, ${percent(calibration.expectedError)} after ` +
        `${isNumber(temperature) ? `dividing the logits by ${figure(temperature)}` : 'the temperature'}.`;
  const chart = reliabilityChart([
    { name: before === undefined ? 'model' : 'after', bins: calibration.bins },
    ...(before === undefined ? [] : [{ name: 'before temperature', bins: before.bins }]),
  ]);
  const note = `${escapeHtml(errors, 300)} On the diagonal a model is as sure as it is right; below it, too sure.`;
  return card('Reliability', chart, { note });
}

/** Of more classes, those with the lowest F1. */
const MOST_CLASSES = 50;

function classTable(evaluation: EvaluationFacts): string {
  const { perClass = [] } = evaluation;
  const f1Of = ({ f1, recall, precision }: (typeof perClass)[number]) => {
    if (f1 !== undefined) return f1;
    if (!isNumber(recall) || !isNumber(precision)) return null;
    return recall + precision === 0 ? 0 : (2 * recall * precision) / (recall + precision);
  };
  const shown =
    perClass.length <= MOST_CLASSES
      ? perClass
      : perClass
          .filter(({ rows }) => rows > 0)
          .sort((a, b) => (f1Of(a) ?? 0) - (f1Of(b) ?? 0) || b.rows - a.rows || a.class - b.class)
          .slice(0, MOST_CLASSES);
  const table = dataTable(
    'Scores by class',
    [
      { title: 'class' },
      { title: 'rows', isNumber: true },
      { title: 'recall', isNumber: true },
      { title: 'precision', isNumber: true },
      { title: 'F1', isNumber: true },
    ],
    shown.map((of) => {
      const f1 = f1Of(of);
      return {
        cells: [
          of.name,
          { text: whole(of.rows), value: of.rows },
          { text: percent(of.recall, 1), value: of.recall, part: of.recall },
          { text: percent(of.precision, 1), value: of.precision, part: of.precision },
          { text: percent(f1, 1), value: f1, part: f1 },
        ],
      };
    }),
  );
  const note =
    shown.length < perClass.length
      ? `The ${counted(shown.length, 'class', 'classes')} with the lowest F1 of ${whole(perClass.length)}.`
      : '';
  return card('Classes', table, { note });
}

function worstTable(evaluation: EvaluationFacts): string {
  const { worstRows = [] } = evaluation;
  const table = dataTable(
    'Rows of the largest losses',
    [
      { title: 'row', isNumber: true },
      { title: 'loss', isNumber: true },
      { title: 'class' },
      { title: 'predicted' },
      { title: 'confidence', isNumber: true },
    ],
    worstRows.slice(0, 20).map(({ row, target, prediction, loss, confidence }) => ({
      cells: [
        { text: String(row), value: row },
        { text: isNumber(loss) ? lossText(loss) : '∞', value: loss },
        nameOf(evaluation, target),
        nameOf(evaluation, prediction),
        { text: percent(confidence, 1), value: confidence },
      ],
    })),
  );
  return card('Worst rows', table, {
    note: 'The rows with the largest losses, numbered from 0: wrong labels are often among them.',
  });
}
