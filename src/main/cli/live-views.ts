// What a live block shows of a training: how far it is, how the losses fall, which epoch is best.

import type { Training } from '../index.js';
import { bar, hasUnicode, joined, type Segment, sparkline } from './live-line.js';
import { count, duration, loss, percent } from './output.js';
import type { Paint } from './terminal.js';

/** The lines of a block, none longer than `columns`. `now` is a time of performance.now(). */
export interface View {
  lines(columns: number, paint: Paint, now: number): readonly string[];
}

/** More are thinned: a sparkline has some tens of characters. */
const MOST_VALUES = 2048;

/** Values in order, in bounded memory: of too many, each is the mean of several. */
export class History {
  #values: number[] = [];
  #every = 1;
  #sum = 0;
  #count = 0;

  add(value: number): void {
    this.#sum += value;
    if (++this.#count < this.#every) return;
    this.#values.push(this.#sum / this.#count);
    [this.#sum, this.#count] = [0, 0];
    if (this.#values.length < MOST_VALUES) return;
    this.#every *= 2;
    this.#values = Array.from(
      { length: MOST_VALUES / 2 },
      (_, i) => (this.#values[2 * i]! + this.#values[2 * i + 1]!) / 2,
    );
  }

  get values(): readonly number[] {
    return this.#values;
  }
}

const isUnicode = hasUnicode();
const SPARKLINE = 24;

/** As long as there is room for beside `used` characters. */
const spark = (history: History, columns: number, used: number, isLog = false): readonly Segment[] => {
  const length = Math.min(SPARKLINE, columns - used);
  return length < 5 ? [] : [['cyan', sparkline(history.values, length, { isLog, isUnicode })]];
};

const eta = (milliseconds: number): readonly Segment[] =>
  Number.isFinite(milliseconds) && milliseconds > 0 ? [`ETA ${duration(milliseconds)}`] : [];

/** Training step by step. */
export class StepsView implements View {
  readonly #rows: number;
  readonly #begin: number;
  #step: Training.StepReport | undefined;
  #epoch: Training.EpochReport | undefined;
  #best: Training.EpochReport | undefined;
  readonly #epochs: number;
  readonly #losses = new History();
  readonly #validation = new History();
  readonly #accuracies = new History();

  constructor({
    rows,
    epochs,
    now,
  }: { readonly rows: number; readonly epochs: number; readonly now: number }) {
    this.#rows = rows;
    this.#epochs = epochs;
    this.#begin = now;
  }

  step(report: Training.StepReport): void {
    this.#step = report;
    this.#losses.add(report.loss);
  }

  epoch(report: Training.EpochReport): void {
    this.#epoch = report;
    const { validationLoss, validationAccuracy } = report;
    if (validationLoss === undefined || validationAccuracy === undefined) return;
    this.#validation.add(validationLoss);
    this.#accuracies.add(validationAccuracy);
    if (!(validationLoss >= (this.#best?.validationLoss ?? Number.POSITIVE_INFINITY))) this.#best = report;
  }

  lines(columns: number, paint: Paint, now: number): readonly string[] {
    const { step, steps } = this.#step ?? { step: 0, steps: 1 };
    const part = step / steps;
    const epoch = Math.min(this.#epochs, Math.floor(part * this.#epochs) + 1);
    const elapsed = now - this.#begin;
    const width = String(this.#epochs).length;
    const rowsPerSecond =
      this.#epoch?.rowsPerSecond ?? (1000 * part * this.#epochs * this.#rows) / Math.max(1, elapsed);
    const lines = [
      joined(
        [
          [['bold', `epoch ${String(epoch).padStart(width)}/${this.#epochs}`]],
          [bar(part, Math.max(8, Math.min(24, columns - 36))), ` ${Math.floor(100 * part)} %`],
          eta(part > 0 ? (elapsed / part) * (1 - part) : Number.NaN),
          [`${count(rowsPerSecond)} rows/s`],
        ],
        columns,
        paint,
      ),
      joined(
        [
          ['loss       ', loss(this.#step?.loss ?? Number.NaN).padStart(8)],
          spark(this.#losses, columns, 21, true),
        ],
        columns,
        paint,
      ),
    ];
    const last = this.#epoch;
    if (last?.validationLoss === undefined) return lines;
    const best = this.#best;
    const isBest = best?.epoch === last.epoch;
    lines.push(
      joined(
        [
          ['validation ', loss(last.validationLoss).padStart(8)],
          spark(this.#validation, columns, 21, true),
          best === undefined
            ? []
            : [
                [
                  isBest ? 'green' : 'yellow',
                  `best: epoch ${best.epoch} (${loss(best.validationLoss ?? Number.NaN)})`,
                ],
              ],
        ],
        columns,
        paint,
      ),
      joined(
        [
          ['accuracy   ', percent(last.validationAccuracy ?? Number.NaN).padStart(8)],
          spark(this.#accuracies, columns, 21),
        ],
        columns,
        paint,
      ),
    );
    return lines;
  }
}

/** A full-batch solver on its way to `tol`. */
export class SolverView implements View {
  readonly #tol: number;
  #report: Training.SolverReport | undefined;
  readonly #losses = new History();
  readonly #gaps = new History();
  /** When the gap was how large: times and logarithms. */
  readonly #course: { readonly at: number; readonly log: number }[] = [];

  constructor(tol: number) {
    this.#tol = tol;
  }

  report(report: Training.SolverReport, now: number): void {
    this.#report = report;
    this.#losses.add(report.loss);
    const { gapRelative } = report;
    if (gapRelative === undefined || !(gapRelative > 0)) return;
    this.#gaps.add(gapRelative);
    this.#course.push({ at: now, log: Math.log(gapRelative) });
    // The last part says best how fast it falls.
    if (this.#course.length > 32) this.#course.shift();
  }

  lines(columns: number, paint: Paint): readonly string[] {
    const report = this.#report;
    if (report === undefined) return [];
    const { passes, maxPasses, gapRelative, loss: mean } = report;
    const head = [['bold', `pass ${count(passes)}`]] as const;
    const lossLine = joined(
      [['loss', loss(mean).padStart(11)], spark(this.#losses, columns, 20)],
      columns,
      paint,
    );
    if (gapRelative === undefined) {
      return [joined([head, [`of at most ${count(maxPasses)}`]], columns, paint), lossLine];
    }
    const done = Math.log(Math.min(1, gapRelative)) / Math.log(this.#tol);
    const isThere = gapRelative <= this.#tol;
    return [
      joined(
        [head, [bar(done, Math.max(8, Math.min(24, columns - 30))), ' (log)'], eta(this.#remaining())],
        columns,
        paint,
      ),
      lossLine,
      joined(
        [
          ['gap', gapText(gapRelative).padStart(12)],
          spark(this.#gaps, columns, 20, true),
          [[isThere ? 'green' : 'dim', `wanted: ${gapText(this.#tol)}`]],
        ],
        columns,
        paint,
      ),
    ];
  }

  /** If the logarithm of the gap goes on falling as it did. */
  #remaining(): number {
    const [first, last] = [this.#course[0], this.#course.at(-1)];
    if (first === undefined || last === undefined || last.at <= first.at) return Number.NaN;
    const slope = (last.log - first.log) / (last.at - first.at);
    return slope < 0 ? Math.max(0, (Math.log(this.#tol) - last.log) / slope) : Number.NaN;
  }
}

/** 0.0123 -> 1.2 %; above 1 the bound says nothing. */
export const gapText = (fraction: number): string =>
  fraction > 1 ? '100 %' : `${Number((100 * fraction).toPrecision(2))} %`;

/** Settings that have been tried on the way to C and the scaling. */
export class ChoiceView implements View {
  readonly #tried: Training.TriedSetting[] = [];

  tried(setting: Training.TriedSetting): void {
    this.#tried.push(setting);
  }

  lines(columns: number, paint: Paint): readonly string[] {
    const best = [...this.#tried].sort((a, b) => a.loss - b.loss)[0];
    const last = this.#tried.at(-1);
    if (best === undefined || last === undefined) return [];
    const lineOf = (name: string, { scale, C, loss: mean, accuracy }: Training.TriedSetting) =>
      joined(
        [
          [['bold', name.padEnd(4)]],
          [`C ${Number(C.toPrecision(3))}`.padEnd(9)],
          [`loss ${loss(mean)}`],
          [['cyan', percent(accuracy)]],
          [scale === 'standard' ? 'standardised' : 'features as they are'],
        ],
        columns,
        paint,
      );
    return [
      joined([[`choosing C and scaling: ${count(this.#tried.length)} tried`]], columns, paint),
      lineOf('best', best),
      lineOf('last', last),
    ];
  }
}

/** A table that is ranked anew as models end. */
export class RankedView implements View {
  #rows: readonly string[] = [];
  #ended = 0;
  #rest = 0;
  readonly #total: number;
  readonly #begin: number;

  constructor(total: number, now: number) {
    this.#total = total;
    this.#begin = now;
  }

  /** `lines` of the head of the table and of the best models, and how many more there are. */
  ranked(lines: readonly string[], ended: number, rest: number): void {
    this.#rows = lines;
    this.#ended = ended;
    this.#rest = rest;
  }

  lines(columns: number, paint: Paint, now: number): readonly string[] {
    const part = this.#ended / this.#total;
    const elapsed = now - this.#begin;
    const [head, best, ...others] = this.#rows;
    return [
      ...(head === undefined ? [] : [paint('dim', head.slice(0, columns))]),
      ...(best === undefined ? [] : [paint('green', best.slice(0, columns))]),
      ...others.map((line) => line.slice(0, columns)),
      ...(this.#rest > 0 ? [`and ${count(this.#rest)} more`] : []),
      joined(
        [
          [['bold', `${count(this.#ended)} of ${count(this.#total)} models`]],
          [bar(part, Math.max(8, Math.min(24, columns - 40)))],
          eta(part > 0 && part < 1 ? (elapsed / part) * (1 - part) : Number.NaN),
        ],
        columns,
        paint,
      ),
    ];
  }
}
