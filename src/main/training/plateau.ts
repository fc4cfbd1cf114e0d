// The learning rate that falls when the loss no longer does, decided between epochs.
import type { CheckedPlateau } from './schedule-options.js';

/** As PyTorch's ReduceLROnPlateau with a relative threshold and without a cooldown. */
export class Plateau {
  #learningRate: number;
  #least = Number.POSITIVE_INFINITY;
  /** Since the last that was better, or the last reduction. */
  #badEpochs = 0;
  readonly #options: CheckedPlateau;

  constructor(options: CheckedPlateau, learningRate: number) {
    this.#options = options;
    this.#learningRate = learningRate;
  }

  /** Of the next epoch. */
  get learningRate(): number {
    return this.#learningRate;
  }

  snapshot() {
    return { learningRate: this.#learningRate, least: this.#least, badEpochs: this.#badEpochs };
  }

  restore({ learningRate, least, badEpochs }: ReturnType<Plateau['snapshot']>): void {
    this.#learningRate = learningRate;
    this.#least = least;
    this.#badEpochs = badEpochs;
  }

  /** `loss` of an epoch; one that is NaN is no better. */
  observe(loss: number): void {
    const { factor, patience, threshold, minLearningRate } = this.#options;
    if (loss < this.#least * (1 - threshold)) {
      this.#least = loss;
      this.#badEpochs = 0;
      return;
    }
    this.#badEpochs++;
    if (this.#badEpochs <= patience) return;
    this.#badEpochs = 0;
    this.#learningRate = Math.min(this.#learningRate, Math.max(this.#learningRate * factor, minLearningRate));
  }
}
