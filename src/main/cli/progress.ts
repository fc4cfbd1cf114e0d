// Progress on standard error: a live block on a terminal, lines elsewhere (one an epoch, or one every few seconds).

import { printable } from '../../printable.js';
import type { Training } from '../index.js';
import { inOptionNames } from './failures.js';
import type { Terminal } from './live-block.js';
import { count, loss, percent } from './output.js';
import { isSilent } from './ranks.js';
import { inShownPaths } from './shown-paths.js';
import { isLive, MOST_COLUMNS, sentence } from './terminal.js';

export async function createProgress(
  { quiet }: { readonly quiet?: true },
  terminal: Terminal = process.stderr,
): Promise<Progress> {
  if (isSilent()) return new SilentProgress(terminal);
  if (quiet) return new Progress(terminal);
  if (!isLive(terminal)) return new LineProgress(terminal);
  const { LiveProgress } = await import('./live-progress.js');
  return new LiveProgress(terminal);
}

/** Models of a sweep that have ended so far. */
export interface RankedModels {
  readonly total: number;
  readonly ended: number;
  /** The lines of a table of the best, its head first, and how many more there are. */
  readonly tableOf: (
    most: number,
    columns: number,
  ) => { readonly lines: readonly string[]; readonly rest: number };
}

/** With --quiet only warnings show; the subclasses show more. */
export class Progress {
  readonly #terminal: Terminal;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** Returns the onProgress of the reader of `path`. */
  reading(_path: string): (fraction: number) => void {
    return () => {};
  }
  /** Returns a function to call with the fraction of a computation that is done, rising to 1. */
  working(_what: string): (fraction: number) => void {
    return () => {};
  }
  /** A sentence that stays on the screen. */
  note(_text: string): void {}
  /** A note that --quiet shows too: the result may not be what was meant. */
  warn(text: string): void {
    this.#terminal.write(`${sentence(this.shown(text), this.#terminal)}\n`);
  }
  /** A text on one line, with the names that were given. */
  protected shown(text: string): string {
    return printable(inShownPaths(text));
  }
  /** What a result of fit warns of, in the words of the command line. */
  warnOf({ warnings }: Pick<Training.FitResult, 'warnings'>): void {
    // Classes without rows have been told before training.
    const others = warnings.filter(({ code }) => code !== 'class-without-rows');
    for (const { message } of others) this.warn(`warning: ${inOptionNames(message)}`);
  }
  /** Training begins; `rows` are those of an epoch. */
  begin(_training: { readonly rows: number; readonly epochs: number }): void {}
  step(_report: Training.StepReport): void {}
  epoch(_report: Training.EpochReport): void {}
  /** A setting has been tried where C and the scaling are chosen. */
  tried(_setting: Training.TriedSetting): void {}
  /** A full-batch solver has come this far on its way to `tol`. */
  solver(_report: Training.SolverReport, _tol: number): void {}
  /** A model of a sweep has ended. */
  ranked(_models: RankedModels): void {}
  /** Ends what is live. Must be called whatever happens. */
  stop(): void {}
}

/** Of a rank whose fellow shows it. */
class SilentProgress extends Progress {
  override warn(): void {}
}

/** Time between two lines of one computation. */
const LINE_INTERVAL_MS = 5000;

export class LineProgress extends Progress {
  override working(what: string): (fraction: number) => void {
    let last = performance.now();
    return (fraction) => {
      const now = performance.now();
      if (now - last < LINE_INTERVAL_MS || fraction === 1) return;
      last = now;
      this.note(`${what}: ${Math.floor(100 * fraction)} %`);
    };
  }

  override note(text: string): void {
    this.warn(text);
  }

  #lastModelLine = performance.now();

  override ranked({ ended, total }: RankedModels): void {
    const now = performance.now();
    if (ended === total || now - this.#lastModelLine < LINE_INTERVAL_MS) return;
    this.#lastModelLine = now;
    this.note(`models: ${Math.floor((100 * ended) / total)} %`);
  }

  #lastSolverLine = performance.now();

  override solver(report: Training.SolverReport, tol: number): void {
    const now = performance.now();
    if (now - this.#lastSolverLine < LINE_INTERVAL_MS) return;
    this.#lastSolverLine = now;
    this.note(solverLine(report, tol));
  }

  override epoch(report: Training.EpochReport): void {
    this.note(epochLine(report));
  }
}

/** In one line, whose rate is left out where it would be too long. */
export function epochLine({
  epoch,
  epochs,
  validationLoss,
  validationAccuracy,
  ...report
}: Training.EpochReport): string {
  const validation =
    validationLoss === undefined || validationAccuracy === undefined
      ? ''
      : `, validation ${loss(validationLoss)}, accuracy ${percent(validationAccuracy)}`;
  const line = `epoch ${epochOf(epoch, epochs)}  loss ${loss(report.loss)}${validation}`;
  const rate = `  ${count(report.rowsPerSecond)} rows/s`;
  return line.length + rate.length > MOST_COLUMNS ? line : line + rate;
}

function solverLine({ passes, loss: mean, gapRelative }: Training.SolverReport, tol: number): string {
  const gap =
    gapRelative === undefined
      ? ''
      : `  at most ${gapText(gapRelative)} above the minimum (wanted: ${gapText(tol)})`;
  return `pass ${count(passes)}  loss ${loss(mean)}${gap}`;
}

/** 0.0123 -> 1.2 %; above 1 the bound says nothing. */
const gapText = (fraction: number): string =>
  fraction > 1 ? '100 %' : `${Number((100 * fraction).toPrecision(2))} %`;

const epochOf = (epoch: number, epochs: number): string =>
  `${String(epoch).padStart(String(epochs).length)}/${epochs}`;
