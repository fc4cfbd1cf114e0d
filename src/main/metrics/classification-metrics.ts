// Metrics of a classifier over a data set: batches are added one by one, parts are merged exactly.
import { SoftshardError } from '../../errors.js';
import { type AxisOptions, checkLogits, type FloatInput, rowDimsOf } from '../arguments/axis-rows.js';
import { changedTargetError, checkTargets, type Targets } from '../arguments/targets.js';
import {
  checkIgnoreIndex,
  checkInteger,
  checkOptionNames,
  checkSignal,
  INT32_MAX,
  inspectValue,
} from '../checks.js';
import { type ResourceOwner, resourcesOf } from '../dispatch/resources.js';
import { isFloats } from '../memory/arrays.js';
import { type MetricsReport, reportOf } from './report.js';
import { predictRows } from './row-predictions.js';
import { checkSaved, loadTally, type SavedMetrics, saveTally } from './saved-metrics.js';
import { Tally, type TallyShape } from './tally.js';

export interface MetricsOptions {
  /** How many columns the logits have. */
  classes: number;
  /** Accuracy is told for the 1 to topK largest logits; default 5, or the classes where they are fewer. */
  topK?: number | undefined;
  /** Bins of equal width for the calibration error; default 15. */
  bins?: number | undefined;
  /** Rows with this target are not counted; default -100. It may be a class or not. */
  ignoreIndex?: number | undefined;
}

export interface MetricsAddOptions extends Pick<AxisOptions, 'axis'> {
  /** Aborts the call: it rejects with signal.reason, and nothing is counted. */
  signal?: AbortSignal | undefined;
}

/** The class and the rank of an ignored row. */
const IGNORED = -1;
const MAX_BINS = 10_000;

export class ClassificationMetrics {
  readonly #engine: ResourceOwner | undefined;
  readonly #tally: Tally;

  /** Throws ERR_OPTION. Without an engine metrics can be merged and reported, but nothing can be added. */
  constructor(engine: ResourceOwner | undefined, options: MetricsOptions) {
    checkOptionNames('options', options, ['classes', 'topK', 'bins', 'ignoreIndex']);
    this.#engine = engine;
    this.#tally = new Tally(checkShape(options));
  }

  /**
   * Counts the rows of logits, with the classes along `axis` (default: the last dimension), against a class for each
   * row, computed on all threads. Either all rows are counted or, when it rejects, none. Batches may be added at the same
   * time and in any order: the bits of the report depend on the rows alone, not on how they were cut into batches. Throws
   * as crossEntropy.
   */
  async add(logits: FloatInput, targets: Targets, options: MetricsAddOptions = {}): Promise<void> {
    checkOptionNames('options', options, ['axis', 'signal']);
    if (this.#engine === undefined) {
      const message =
        'these metrics have no engine to compute with: pass one to the constructor or to fromJSON';
      throw new SoftshardError('ERR_OPTION', message, { argument: 'engine' });
    }
    const resources = resourcesOf(this.#engine);
    const { classes, ignoreIndex } = this.#tally.shape;
    const { axis } = options;
    const isBare = isFloats(logits);
    const rows = checkLogits(resources.arena, 'logits', logits, {
      ...(isBare && { columns: classes }),
      ...(axis !== undefined && { axis }),
    });
    if (rows.columns !== classes) {
      const message = `logits has ${rows.columns} columns (dims [${rows.dims.join(', ')}]), but the metrics count ${classes} classes`;
      throw new SoftshardError('ERR_SHAPE', message, { argument: 'logits', value: rows.columns });
    }
    const checked = checkTargets(resources.arena, resources.kernels, targets, rows.rows, classes, {
      ignoreIndex,
      rowDims: rowDimsOf(rows),
    });
    const signal = checkSignal('options.signal', options.signal);
    signal?.throwIfAborted();
    // Targets may change while the workers compute; what is counted is what was checked.
    const classesOfRows = Int32Array.from({ length: rows.rows }, (_, row) => checked.classOf(row));
    const predictions = await predictRows(resources, rows, checked, ignoreIndex, signal);
    const changed = classesOfRows.findIndex(
      (target, row) => (target === IGNORED) !== (predictions.ranks[row] === IGNORED),
    );
    if (changed >= 0) throw changedTargetError(changed, classes);
    this.#tally.add(predictions, (row) => classesOfRows[row]!);
  }

  /**
   * Adds what other metrics have counted; they must have been created with the same options. Exact: merging in any order
   * and grouping gives the same bits. Gives this.
   */
  merge(other: ClassificationMetrics): this {
    const given: unknown = other;
    if (typeof given !== 'object' || given === null || !(#tally in given)) {
      const message = `other is ${inspectValue(given)}: pass ClassificationMetrics (of this copy of softshard)`;
      throw new SoftshardError('ERR_TYPE', message, { argument: 'other', value: given });
    }
    const { shape } = this.#tally;
    for (const name of ['classes', 'topK', 'bins', 'ignoreIndex'] as const) {
      const [mine, theirs] = [shape[name], other.#tally.shape[name]];
      if (mine === theirs) continue;
      const message = `metrics with ${name} ${theirs} cannot be merged into metrics with ${name} ${mine}: create both with the same options`;
      throw new SoftshardError('ERR_OPTION', message, { argument: `options.${name}`, value: theirs });
    }
    this.#tally.merge(other.#tally);
    return this;
  }

  report(): MetricsReport {
    return reportOf(this.#tally);
  }

  /** Plain JSON, to be merged elsewhere: JSON.stringify(metrics) calls it. */
  toJSON(): SavedMetrics {
    return saveTally(this.#tally);
  }

  /** From toJSON's result (parsed). Without an engine nothing can be added to it. Throws ERR_FORMAT. */
  static fromJSON(saved: unknown, engine?: ResourceOwner): ClassificationMetrics {
    const checked = checkSaved(saved);
    const { classes, topK, bins, ignoreIndex } = checked;
    const metrics = new ClassificationMetrics(engine, { classes, topK, bins, ignoreIndex });
    metrics.#tally.merge(loadTally(checked, metrics.#tally.shape));
    return metrics;
  }
}

function checkShape(options: MetricsOptions): TallyShape {
  const classes = checkInteger('options.classes', options.classes, 1, INT32_MAX);
  return {
    classes,
    topK: checkInteger('options.topK', options.topK ?? Math.min(5, classes), 1, classes),
    bins: checkInteger('options.bins', options.bins ?? 15, 1, MAX_BINS),
    ignoreIndex: checkIgnoreIndex(options.ignoreIndex),
  };
}
