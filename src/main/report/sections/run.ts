// What was run, on which data and machine, what it cost; and the options.
import type { DataFacts, JsonFact, ReportFacts } from '../facts.js';
import { byteText, counted, duration, figure, isNumber, smallPercent, timeText, whole } from '../figures.js';
import { card, dataTable, nameValues } from '../html.js';

export const run = (facts: ReportFacts): string =>
  training(facts) + cost(facts) + machine(facts) + data(facts) + options(facts);

function training({ result = {} }: ReportFacts): string {
  const {
    solver,
    C,
    l2,
    l1,
    scale,
    passes,
    steps,
    epochs = [],
    gapRelative,
    tol,
    converged,
    stopReason,
  } = result;
  const { bestEpoch, stoppedEarly, zeroWeights } = result;
  const content = nameValues([
    ['solver', solver ?? ''],
    ['C', isNumber(C) ? figure(C) : ''],
    ['L2 penalty', isNumber(l2) && !isNumber(C) ? figure(l2) : ''],
    ['L1 penalty', isNumber(l1) && l1 > 0 ? figure(l1) : ''],
    ['weights of 0', isNumber(l1) && l1 > 0 ? whole(zeroWeights) : ''],
    ['features', scale === 'standard' ? 'standardised' : scale === 'none' ? 'as they are' : (scale ?? '')],
    ['passes over the rows', isNumber(passes) ? figure(passes) : ''],
    ['above the minimum', isNumber(gapRelative) ? `at most ${smallPercent(gapRelative)}` : ''],
    ['wanted', isNumber(tol) ? smallPercent(tol) : ''],
    [
      'converged',
      solver && converged !== undefined
        ? converged
          ? 'yes'
          : `no${stopReason ? ` (${stopReason})` : ''}`
        : '',
    ],
    ['epochs', epochs.length > 0 ? whole(epochs.length) : ''],
    ['steps', isNumber(steps) ? whole(steps) : ''],
    ['best epoch', isNumber(bestEpoch) ? `${bestEpoch}${stoppedEarly ? ' (stopped early)' : ''}` : ''],
  ]);
  return card('Training', content);
}

function cost({ result = {}, status }: ReportFacts): string {
  const { durationMs, rowsPerSecond, trainingRows, validationRows, testRows, rows } = result;
  const content = nameValues([
    ['time', isNumber(durationMs) ? duration(durationMs) : ''],
    ['rows a second', isNumber(rowsPerSecond) ? whole(rowsPerSecond) : ''],
    ['rows', isNumber(rows) ? whole(rows) : ''],
    ['rows trained on', isNumber(trainingRows) ? whole(trainingRows) : ''],
    ['rows to validate on', validationRows ? whole(validationRows) : ''],
    ['rows to test on', testRows ? whole(testRows) : ''],
    ['features', isNumber(result.features) ? whole(result.features) : ''],
    ['classes', isNumber(result.classes) ? whole(result.classes) : ''],
    ['started', timeText(status?.startedAt ?? '')],
    ['last change', timeText(status?.updatedAt ?? '')],
    ['model', result.model ?? ''],
  ]);
  return card('Cost', content);
}

/** The names of what is shown apart, or is in the page's data only. */
const SHOWN_APART = ['data'];

function machine({ environment, result = {} }: ReportFacts): string {
  const { threads, numerics, node } = result;
  const known = environment ?? {
    ...(node !== undefined && { node }),
    ...(threads !== undefined && { threads }),
    ...(numerics !== undefined && { numerics }),
  };
  const entries = Object.entries(known).filter(([name]) => !SHOWN_APART.includes(name));
  return card(
    'Machine',
    nameValues(entries.map(([name, value]) => [titleOf(name), valueText(value as JsonFact | undefined)])),
  );
}

const NAMES: Readonly<Record<string, string>> = {
  node: 'Node',
  cpu: 'CPU',
  blas: 'BLAS',
  wideSimd: 'wide SIMD',
};

const titleOf = (name: string): string =>
  NAMES[name] ?? name.replace(/[A-Z]/g, (letter, at) => (at === 0 ? letter : ` ${letter.toLowerCase()}`));

function data({ environment }: ReportFacts): string {
  const files = environment?.data ?? [];
  const table = dataTable(
    'Data',
    [{ title: 'data' }, { title: 'file' }, { title: 'size', isNumber: true }, { title: 'SHA-256' }],
    (Array.isArray(files) ? files : []).map(({ name, path, bytes, sha256 }: DataFacts) => ({
      cells: [
        titleOf(name),
        { text: path, title: path },
        { text: byteText(bytes), value: bytes ?? null },
        sha256 === undefined ? '' : { text: `${sha256.slice(0, 12)}…`, title: sha256 },
      ],
    })),
  );
  return card('Data', table, { wide: true });
}

function options({ config }: ReportFacts): string {
  const entries = Object.entries(config?.options ?? {}).filter(
    ([, value]) => value !== null && value !== undefined,
  );
  const table = dataTable(
    'Options',
    [{ title: 'option' }, { title: 'value' }],
    entries.map(([name, value]) => ({ cells: [name, valueText(value)] })),
  );
  return card('Options', table, entries.length === 0 ? {} : { note: counted(entries.length, 'option') });
}

function valueText(value: JsonFact | undefined): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'object') return JSON.stringify(value);
  // A hash says enough by its beginning.
  if (typeof value === 'string' && /^[\da-f]{40,}$/.test(value)) return `${value.slice(0, 16)}…`;
  return typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value);
}
