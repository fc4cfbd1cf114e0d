// Progress on standard error: a bar on a terminal, lines elsewhere (one an epoch, or one every few seconds).

import { basename } from 'node:path';
import { clearLine, cursorTo } from 'node:readline';
import type { SingleBar } from 'cli-progress';
import { printable } from '../../printable.js';
import type { EpochReport, StepReport } from '../index.js';
import { count, loss, percent } from './output.js';

export interface Progress {
  /** Gives what the reader of `path` is to call. */
  reading(path: string): (fraction: number) => void;
  /** Gives what is to be called with the part of a long computation that is done, rising to 1. */
  working(what: string): (fraction: number) => void;
  /** A sentence that stays. */
  note(text: string): void;
  /** As a note, and shown with --quiet too: the result may not be what was meant. */
  warn(text: string): void;
  /** Training begins; `rows` are those of an epoch. */
  begin(training: { readonly rows: number; readonly epochs: number }): void;
  step(report: StepReport): void;
  epoch(report: EpochReport): void;
  /** Leaves the terminal as it was. To be called in any case. */
  stop(): void;
}

export async function createProgress({ quiet }: { readonly quiet?: true }): Promise<Progress> {
  if (quiet) return new SilentProgress();
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
      // Signals are interruption.ts's.
      gracefulExit: false,
    });
  });
}

class SilentProgress implements Progress {
  reading(_path: string): (fraction: number) => void {
    return () => {};
  }
  working(_what: string): (fraction: number) => void {
    return () => {};
  }
  note(_text: string): void {}
  warn(text: string): void {
    process.stderr.write(`${printable(text)}\n`);
  }
  begin(_training: { readonly rows: number; readonly epochs: number }): void {}
  step(_report: StepReport): void {}
  epoch(_report: EpochReport): void {}
  stop(): void {}
}

/** How long a computation says nothing where each line stays. */
const LINE_INTERVAL_MS = 5000;

class LineProgress extends SilentProgress {
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

  override epoch(report: EpochReport): void {
    this.note(epochLine(report));
  }
}

function epochLine({ epoch, epochs, validationLoss, validationAccuracy, ...report }: EpochReport): string {
  const parts = [`epoch ${epochOf(epoch, epochs)}`, `loss ${loss(report.loss)}`];
  if (validationLoss !== undefined && validationAccuracy !== undefined) {
    parts.push(`validation loss ${loss(validationLoss)}, accuracy ${percent(validationAccuracy)}`);
  }
  parts.push(`${count(report.rowsPerSecond).padStart(9)} rows/s`);
  return parts.join('  ');
}

const epochOf = (epoch: number, epochs: number): string =>
  `${String(epoch).padStart(String(epochs).length)}/${epochs}`;

/** Reading or an epoch that takes less than this shows no bar: it would only flicker. */
const BAR_DELAY_MS = 300;

class BarProgress extends LineProgress {
  readonly #createBar: (format: string) => SingleBar;
  #bar: SingleBar | undefined;
  #rows = 0;
  #epochs = 0;
  #epochBegin = 0;

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
    // What the terminal echoed for Ctrl-C.
    cursorTo(process.stderr, 0);
    clearLine(process.stderr, 1);
    super.warn(text);
  }

  override begin({ rows, epochs }: { readonly rows: number; readonly epochs: number }): void {
    this.#rows = rows;
    this.#epochs = epochs;
    this.#epochBegin = performance.now();
  }

  override step({ step, steps, ...report }: StepReport): void {
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

  override epoch(report: EpochReport): void {
    super.epoch(report);
    this.#epochBegin = performance.now();
  }

  override stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}
