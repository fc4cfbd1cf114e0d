// Metrics as JSON, to be merged in another process.
import { SoftshardError } from '../../errors.js';
import { inspectValue } from '../checks.js';
import { ExactSum, type SavedSum, savedCount } from './exact-sum.js';
import { COUNTS, Tally, type TallyShape } from './tally.js';

const FORMAT = 'softshard-metrics';
const VERSION = 1;

/** Plain JSON. Sums are exact, so saving and merging loses nothing. */
export interface SavedMetrics extends TallyShape {
  readonly format: typeof FORMAT;
  readonly version: typeof VERSION;
  readonly rows: number;
  readonly ignored: number;
  readonly unsure: number;
  readonly loss: SavedSum;
  readonly lossSquares: SavedSum;
  readonly ranks: readonly number[];
  readonly support: readonly number[];
  readonly predicted: readonly number[];
  readonly right: readonly number[];
  readonly binRows: readonly number[];
  readonly binCorrect: readonly number[];
  readonly binConfidence: readonly SavedSum[];
  /** [target, prediction, count] of the entries that are not 0; absent beyond 1024 classes. */
  readonly confusion?: readonly (readonly [target: number, prediction: number, count: number])[];
}

export function saveTally(tally: Tally): SavedMetrics {
  const { shape, rows, ignored, unsure, loss, lossSquares, confusion, binConfidence } = tally;
  const { classes } = shape;
  const entries: [number, number, number][] = [];
  confusion?.forEach((count, at) => {
    if (count > 0) entries.push([Math.floor(at / classes), at % classes, count]);
  });
  return {
    format: FORMAT,
    version: VERSION,
    ...shape,
    rows,
    ignored,
    unsure,
    loss: loss.toJSON(),
    lossSquares: lossSquares.toJSON(),
    ranks: [...tally.ranks],
    support: [...tally.support],
    predicted: [...tally.predicted],
    right: [...tally.right],
    binRows: [...tally.binRows],
    binCorrect: [...tally.binCorrect],
    binConfidence: binConfidence.map((sum) => sum.toJSON()),
    ...(confusion === undefined ? {} : { confusion: entries }),
  };
}

/** `shape` has been checked. Throws ERR_FORMAT where counts are missing or contradict each other. */
export function loadTally(saved: SavedMetrics, shape: TallyShape): Tally {
  const tally = new Tally(shape);
  tally.rows = savedCount(saved.rows);
  tally.ignored = savedCount(saved.ignored);
  tally.unsure = savedCount(saved.unsure);
  tally.loss.merge(ExactSum.fromJSON(saved.loss));
  tally.lossSquares.merge(ExactSum.fromJSON(saved.lossSquares));
  for (const name of COUNTS) {
    const counts = listOf(name, saved[name], tally[name].length);
    tally[name].set(counts.map(savedCount));
  }
  const sums = listOf('binConfidence', saved.binConfidence, shape.bins);
  for (const [bin, sum] of tally.binConfidence.entries()) sum.merge(ExactSum.fromJSON(sums[bin]));
  loadConfusion(tally, saved.confusion);
  checkTotals(tally);
  return tally;
}

/** The saved metrics, if that is what they are. Throws ERR_FORMAT. */
export function checkSaved(saved: unknown): SavedMetrics {
  const { format, version } = (saved ?? {}) as Partial<SavedMetrics>;
  if (format === FORMAT && version === VERSION) return saved as SavedMetrics;
  const message = `this is ${inspectValue(format)} of version ${inspectValue(version)}, not '${FORMAT}' of version ${VERSION}: pass what ClassificationMetrics.toJSON() gave`;
  throw new SoftshardError('ERR_FORMAT', message, { argument: 'saved' });
}

function listOf(name: string, value: unknown, length: number): unknown[] {
  if (Array.isArray(value) && value.length === length) return value;
  throw damaged(`${name} is not a list of ${length}`);
}

function loadConfusion({ confusion, shape: { classes } }: Tally, saved: unknown): void {
  if (confusion === undefined) return;
  if (!Array.isArray(saved)) throw damaged('confusion is not a list');
  for (const entry of saved) {
    const [target, prediction, count] = listOf('an entry of confusion', entry, 3).map(savedCount);
    if (target! >= classes || prediction! >= classes)
      throw damaged(`confusion has class ${target} or ${prediction}`);
    confusion[target! * classes + prediction!]! += count!;
  }
}

/** What is counted in several places must be the same everywhere. */
function checkTotals(tally: Tally): void {
  const total = (counts: Float64Array) => counts.reduce((sum, count) => sum + count, 0);
  const { rows, unsure, support, predicted, confusion } = tally;
  const agree =
    total(support) === rows &&
    total(predicted) === rows &&
    total(tally.binRows) + unsure === rows &&
    total(tally.ranks) <= rows &&
    (confusion === undefined || total(confusion) === rows);
  if (!agree) throw damaged('its counts contradict each other');
}

const damaged = (what: string): SoftshardError =>
  new SoftshardError('ERR_FORMAT', `saved metrics are damaged: ${what}`, { argument: 'saved' });
