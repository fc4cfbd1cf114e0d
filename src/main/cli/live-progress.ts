// Progress on a terminal: one block of a few lines, drawn anew as the work goes on.

import { basename } from 'node:path';
import { printable } from '../../printable.js';
import type { Training } from '../index.js';
import { LiveBlock, type Terminal } from './live-block.js';
import { bar } from './live-line.js';
import { ChoiceView, RankedView, SolverView, StepsView, type View } from './live-views.js';
import { LineProgress, type RankedModels } from './progress.js';
import { columnsOf, hasColors, painterOf, sentence } from './terminal.js';

/** Shorter work shows no block, which would only flicker. */
const DELAY_MS = 300;
/** Between two drawings. */
const INTERVAL_MS = 100;

export class LiveProgress extends LineProgress {
  readonly #terminal: Terminal;
  readonly #block: LiveBlock;
  readonly #clock: () => number;
  readonly #begun: number;
  #view: View | undefined;
  #lastDrawn = Number.NEGATIVE_INFINITY;

  constructor(terminal: Terminal, clock = () => performance.now()) {
    super(terminal);
    this.#terminal = terminal;
    this.#clock = clock;
    this.#block = new LiveBlock(terminal);
    this.#begun = clock();
  }

  override reading(path: string): (fraction: number) => void {
    return this.working(`reading ${printable(basename(path))}`);
  }

  override working(what: string): (fraction: number) => void {
    const begin = this.#clock();
    let part = 0;
    const view: View = {
      lines: (columns) => [
        `${what.slice(0, Math.max(8, columns - 34))} ${bar(part, 24)} ${Math.floor(100 * part)} %`.slice(
          0,
          columns,
        ),
      ],
    };
    return (fraction) => {
      part = fraction;
      if (fraction === 1) return this.#end('erase');
      if (this.#clock() - begin >= DELAY_MS) this.#show(view);
    };
  }

  override note(text: string): void {
    this.#write(text);
  }

  override warn(text: string): void {
    this.#write(text);
  }

  override begin(training: { readonly rows: number; readonly epochs: number }): void {
    this.#view = new StepsView({ ...training, now: this.#clock() });
  }

  override step(report: Training.StepReport): void {
    if (!(this.#view instanceof StepsView)) return;
    this.#view.step(report);
    this.#show(this.#view);
  }

  override epoch(report: Training.EpochReport): void {
    if (!(this.#view instanceof StepsView)) return;
    this.#view.epoch(report);
    this.#show(this.#view, report.epoch === report.epochs);
  }

  override tried(setting: Training.TriedSetting): void {
    if (!(this.#view instanceof ChoiceView)) this.#view = new ChoiceView();
    (this.#view as ChoiceView).tried(setting);
    this.#show(this.#view);
  }

  override solver(report: Training.SolverReport, tol: number): void {
    if (!(this.#view instanceof SolverView)) {
      this.#end('erase');
      this.#view = new SolverView(tol);
    }
    (this.#view as SolverView).report(report, this.#clock());
    this.#show(this.#view, (report.gapRelative ?? 1) <= tol);
  }

  override ranked({ total, ended, tableOf }: RankedModels): void {
    if (!(this.#view instanceof RankedView)) this.#view = new RankedView(total, this.#begun);
    const isLast = ended === total;
    if (!isLast && this.#clock() - this.#lastDrawn < INTERVAL_MS) return;
    const { rows = 24 } = this.#terminal;
    const { lines, rest } = tableOf(Math.max(1, Math.min(10, rows - 6)), columnsOf(this.#terminal));
    (this.#view as RankedView).ranked(lines, ended, rest);
    this.#show(this.#view, isLast);
  }

  /** The last block of a training stays: it says how the training went. */
  override stop(): void {
    this.#end(this.#view instanceof StepsView || this.#view instanceof SolverView ? 'keep' : 'erase');
  }

  #show(view: View, isLast = false): void {
    const now = this.#clock();
    this.#view = view;
    if (now - this.#begun < DELAY_MS || (!isLast && now - this.#lastDrawn < INTERVAL_MS)) return;
    this.#lastDrawn = now;
    const columns = columnsOf(this.#terminal);
    this.#block.draw(view.lines(columns, painterOf(hasColors(this.#terminal)), now));
  }

  #end(how: 'keep' | 'erase'): void {
    this.#block[how]();
    this.#view = undefined;
    this.#lastDrawn = Number.NEGATIVE_INFINITY;
  }

  /** Above the block, which is drawn again with the next report. */
  #write(text: string): void {
    this.#block.erase();
    // Clears the ^C that the terminal echoed.
    this.#terminal.write(`\r\x1b[K${sentence(this.shown(text), this.#terminal)}\n`);
    this.#lastDrawn = Number.NEGATIVE_INFINITY;
  }
}
