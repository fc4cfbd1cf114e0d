// Progress that is shown as elsewhere, and kept in the log of a run, with what --quiet leaves out.

import type { Training } from '../index.js';
import { epochLine, Progress, type RankedModels } from './progress.js';
import { inShownPaths } from './shown-paths.js';

export class LoggedProgress extends Progress {
  readonly #shown: Progress;
  readonly #log: (text: string) => void;

  constructor(shown: Progress, log: (text: string) => void) {
    super(process.stderr);
    this.#shown = shown;
    this.#log = log;
  }

  override note(text: string): void {
    this.#log(inShownPaths(text));
    this.#shown.note(text);
  }

  override warn(text: string): void {
    this.#log(inShownPaths(text));
    this.#shown.warn(text);
  }

  override epoch(report: Training.EpochReport): void {
    this.#log(epochLine(report));
    this.#shown.epoch(report);
  }

  override reading(path: string): (fraction: number) => void {
    return this.#shown.reading(path);
  }

  override working(what: string): (fraction: number) => void {
    return this.#shown.working(what);
  }

  override begin(training: { readonly rows: number; readonly epochs: number }): void {
    this.#shown.begin(training);
  }

  override step(report: Training.StepReport): void {
    this.#shown.step(report);
  }

  override tried(setting: Training.TriedSetting): void {
    this.#shown.tried(setting);
  }

  override solver(report: Training.SolverReport, tol: number): void {
    this.#shown.solver(report, tol);
  }

  override ranked(models: RankedModels): void {
    this.#shown.ranked(models);
  }

  override stop(): void {
    this.#shown.stop();
  }
}
