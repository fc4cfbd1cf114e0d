// Progress on standard error: a bar on a terminal, lines elsewhere (one an epoch, or one every few seconds).

import { basename } from 'node:path';
import { clearLine, cursorTo } from 'node:readline';
import type { SingleBar } from 'cli-progress';
import { printable } from '../../printable.js';
import type { Training } from '../index.js';
import { inOptionNames } from './failures.js';
import { count, loss, percent } from './output.js';
import { inShownPaths } from './shown-paths.js';

export async function createProgress({ quiet }: { readonly quiet?: true }): Promise<Progress> {
  if (quiet) return new Progress();
  if (!process.stderr.isTTY || process.env.TERM === 'dumb') return new LineProgress();
  const { SingleBar } = await import('cli-progress');
  return new BarProgress((format) => {
    return new SingleBar({
      format,
      stream: process.stderr,
      clearOnComplete: true,
      linewrap: false,
      barsize: 24,
      barCompleteChar: '=',
      barIncompleteChar: ' ',
      // interruption.ts handles signals.
      gracefulExit: false,
    });
  });
}

/** With --quiet only warnings show; the subclasses show more. */
export class Progress {
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
    process.stderr.write(`${printable(inShownPaths(text))}\n`);
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
  /** Clears the bar. Must be called whatever happens. */
  stop(): void {}
}

/** Time between two lines of one computation. */
const LINE_INTERVAL_MS = 5000;

class LineProgress extends Progress {
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

function epochLine({
  epoch,
  epochs,
  validationLoss,
  validationAccuracy,
  ...report
}: Training.EpochReport): string {
  const parts = [`epoch ${epochOf(epoch, epochs)}`, `loss ${loss(report.loss)}`];
  if (validationLoss !== undefined && validationAccuracy !== undefined) {
    parts.push(`validation loss ${loss(validationLoss)}, accuracy ${percent(validationAccuracy)}`);
  }
  parts.push(`${count(report.rowsPerSecond)} rows/s`);
  return parts.join('  ');
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

/** Shorter work shows no bar, which would only flicker. */
const BAR_DELAY_MS = 300;

class BarProgress extends LineProgress {
  readonly #createBar: (format: string) => SingleBar;
  #bar: SingleBar | undefined;
  #rows = 0;
  #epochs = 0;
  #epochBegin = 0;
  /** Of what is shown by #show. */
  #format = '';
  readonly #begun = performance.now();

  constructor(createBar: (format: string) => SingleBar) {
    super();
    this.#createBar = createBar;
  }

  override reading(path: string): (fraction: number) => void {
    return this.working(`reading ${printable(basename(path))}`);
  }

  override working(what: string): (fraction: number) => void {
    const begin = performance.now();
    return (fraction) => {
      if (fraction === 1) return this.stop();
      if (this.#bar === undefined) {
        if (performance.now() - begin < BAR_DELAY_MS) return;
        this.#bar = this.#createBar(`${what} [{bar}] {percentage} %`);
        this.#bar.start(100, 0);
      }
      this.#bar.update(Math.floor(100 * fraction));
    };
  }

  override warn(text: string): void {
    this.stop();
    // Clears the ^C that the terminal echoed.
    cursorTo(process.stderr, 0);
    clearLine(process.stderr, 1);
    super.warn(text);
  }

  override begin({ rows, epochs }: { readonly rows: number; readonly epochs: number }): void {
    this.#rows = rows;
    this.#epochs = epochs;
    this.#epochBegin = performance.now();
  }

  override step({ step, steps, ...report }: Training.StepReport): void {
    const stepsAnEpoch = steps / this.#epochs;
    const epoch = Math.ceil(step / stepsAnEpoch);
    const stepOfEpoch = step - (epoch - 1) * stepsAnEpoch;
    const durationMs = performance.now() - this.#epochBegin;
    if (this.#bar === undefined && durationMs < BAR_DELAY_MS) return;
    const rowsPerSecond = ((stepOfEpoch / stepsAnEpoch) * this.#rows * 1000) / durationMs;
    const shown = {
      epoch: epochOf(epoch, this.#epochs),
      loss: loss(report.loss),
      speed: count(rowsPerSecond),
    };
    if (this.#bar === undefined) {
      this.#bar = this.#createBar('epoch {epoch} [{bar}] {value}/{total} steps  loss {loss}  {speed} rows/s');
      this.#bar.start(stepsAnEpoch, stepOfEpoch, shown);
    } else {
      this.#bar.update(stepOfEpoch, shown);
    }
  }

  override epoch(report: Training.EpochReport): void {
    super.epoch(report);
    this.#epochBegin = performance.now();
  }

  override tried({ C, loss: held }: Training.TriedSetting): void {
    if (performance.now() - this.#begun < BAR_DELAY_MS) return;
    this.#show('choosing C and scaling: C {C}  loss {loss}', 1, 0, {
      C: String(Number(C.toPrecision(3))),
      loss: loss(held),
    });
  }

  /** The bar is that of the gap's logarithm. */
  override solver({ passes, loss: mean, gapRelative = 1 }: Training.SolverReport, tol: number): void {
    if (performance.now() - this.#begun < BAR_DELAY_MS) return;
    const done = Math.log(Math.min(1, gapRelative)) / Math.log(tol);
    const shown = { passes: count(passes), loss: loss(mean), gap: gapText(gapRelative) };
    this.#show(
      'pass {passes} [{bar}] loss {loss}  at most {gap} above the minimum',
      100,
      Math.min(100, Math.max(0, 100 * done)),
      shown,
    );
  }

  #show(format: string, total: number, value: number, shown: Readonly<Record<string, string>>): void {
    if (this.#format !== format) this.stop();
    if (this.#bar === undefined) {
      this.#format = format;
      this.#bar = this.#createBar(format);
      this.#bar.start(total, value, shown);
    } else this.#bar.update(value, shown);
  }

  override stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}
