// What training step by step tells of itself.

export interface EpochReport {
  /** From 1. */
  readonly epoch: number;
  readonly epochs: number;
  /**
   * Loss of the epoch's rows, each before the update of its step, without weight decay: the mean, weighted where rows
   * weigh differently, or with reduction 'sum' the sum.
   */
  readonly loss: number;
  /** The same, of the validation rows. */
  readonly validationLoss?: number;
  /** Of the validation rows that are not ignored. */
  readonly validationAccuracy?: number;
  /** Of the epoch's last step. */
  readonly learningRate: number;
  /** Time of the training steps alone, without validation and callbacks. */
  readonly durationMs: number;
  readonly rowsPerSecond: number;
}

export interface StepReport {
  /** From 1, over all epochs. */
  readonly step: number;
  readonly steps: number;
  /** Loss of the step's rows before its update: the mean, or with reduction 'sum' the sum. */
  readonly loss: number;
}
