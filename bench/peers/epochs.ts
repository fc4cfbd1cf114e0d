// One fit, epoch by epoch: it waits between epochs until its next turn.
import { performance } from 'node:perf_hooks';
import type { Training } from '#softshard/main/index.js';

export class EpochTurns {
  readonly #startFit: (
    onEpochEnd: NonNullable<Training.FitOptions['onEpochEnd']>,
  ) => Promise<Training.FitResult>;
  #fit: Promise<Training.FitResult> | undefined;
  #resume: () => void = () => {};
  #epochEnded: () => void = () => {};

  /** `startFit` calls fit with the onEpochEnd it is given. */
  constructor(
    startFit: (onEpochEnd: NonNullable<Training.FitOptions['onEpochEnd']>) => Promise<Training.FitResult>,
  ) {
    this.#startFit = startFit;
  }

  /** One epoch, from asking for it to having the weights: shuffling, starting the workers and publishing included. */
  async turn(): Promise<{ ms: number }> {
    const begin = performance.now();
    const epoch = new Promise<number>((resolve) => {
      this.#epochEnded = () => resolve(performance.now() - begin);
    });
    if (this.#fit === undefined) this.#fit = this.#startFit(() => this.#onEpochEnd());
    else this.#resume();
    const failed = this.#fit.then(() => Promise.reject(new Error('fit has no epochs left for this turn')));
    return { ms: await Promise.race([epoch, failed]) };
  }

  /** After the last epoch's turn. */
  async finish(): Promise<void> {
    this.#resume();
    await this.#fit;
  }

  #onEpochEnd(): Promise<void> {
    const resumed = new Promise<void>((resolve) => {
      this.#resume = resolve;
    });
    this.#epochEnded();
    return resumed;
  }
}
