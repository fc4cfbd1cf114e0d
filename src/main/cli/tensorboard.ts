// --tensorboard: what train and sweep report, as event files.

import { messageOf } from '../../errors.js';
import { hparamsOf, TensorBoard, type Training } from '../index.js';
import type { Combination } from './grid.js';
import type { Progress } from './progress.js';
import { isSilent } from './ranks.js';

export interface TensorBoardFlags {
  tensorboard?: string;
}

const epochScalars = ({
  loss,
  validationLoss,
  validationAccuracy,
  learningRate,
}: Omit<Training.EpochReport, 'epoch' | 'rowsPerSecond'>) => ({
  'train/loss': loss,
  'validation/loss': validationLoss,
  'validation/accuracy': validationAccuracy,
  learningRate,
});

const solverScalars = ({ loss, objective, gap, gapRelative }: Training.SolverReport) => ({
  'train/loss': loss,
  objective,
  gap,
  gapRelative,
});

/** The options of a run, whose checkpoints come after what the board has by then: later it is not reported again. */
function flushing<Options extends Pick<Training.FitOptions, 'checkpoint'>>(
  board: TensorBoard | undefined,
  options: Options,
): Options {
  const { checkpoint } = options;
  if (board === undefined || checkpoint === undefined) return options;
  const onCheckpoint: typeof checkpoint.onCheckpoint = (...args) => {
    board.flush();
    return checkpoint.onCheckpoint(...args);
  };
  return { ...options, checkpoint: { ...checkpoint, onCheckpoint } };
}

/** Reports of one training. Without a folder nothing is written. */
export class TrainingBoard {
  readonly #board: TensorBoard | undefined;
  readonly #progress: Progress;

  constructor(folder: string | undefined, options: object, progress: Progress) {
    this.#progress = progress;
    if (folder === undefined || isSilent()) return;
    this.#board = new TensorBoard(folder, {
      sessions: { '': hparamsOf(options) },
      metrics: ['validation/loss', 'validation/accuracy', 'train/loss'],
    });
  }

  flushing<Options extends Pick<Training.FitOptions, 'checkpoint'>>(options: Options): Options {
    return flushing(this.#board, options);
  }

  step(step: number, loss: number): void {
    this.#board?.scalars(step, { 'train/stepLoss': loss });
  }

  epoch(step: number, { epoch, rowsPerSecond, ...report }: Training.EpochReport): void {
    this.#board?.scalars(step, { epoch, rowsPerSecond, ...epochScalars(report) });
  }

  solver(report: Training.SolverReport): void {
    this.#board?.scalars(Math.ceil(report.passes), solverScalars(report));
  }

  /** What is known at the end only; undefined: it did not come to its end. */
  end(result: Training.FitResult | undefined): void {
    const board = this.#board;
    if (board === undefined) return;
    if (result !== undefined && result.passes !== undefined) {
      const { validationLoss, validationAccuracy, accuracy } = result;
      board.scalars(Math.ceil(result.passes), {
        'validation/loss': validationLoss,
        'validation/accuracy': validationAccuracy,
        'train/accuracy': accuracy,
      });
    }
    board.end('', result !== undefined);
    closed(board, this.#progress);
  }
}

/** A session for each model of a sweep. */
export class SweepBoard {
  #board: TensorBoard | undefined;
  readonly #progress: Progress;
  readonly #heads: number;
  /** Heads of which there was progress: not those whose first part had ended before the checkpoint. */
  readonly #followed = new Set<number>();

  constructor(folder: string | undefined, combinations: readonly Combination[], progress: Progress) {
    this.#progress = progress;
    this.#heads = combinations.length;
    if (folder === undefined || isSilent()) return;
    const sessions = combinations.map(
      (combination, head) => [this.#nameOf(head), hparamsOf(combination)] as const,
    );
    this.#board = new TensorBoard(folder, {
      sessions: Object.fromEntries(sessions),
      metrics: ['validation/loss', 'validation/accuracy', 'passes'],
    });
  }

  flushing<Options extends Pick<Training.FitOptions, 'checkpoint'>>(options: Options): Options {
    return flushing(this.#board, options);
  }

  /** Of the first part: each has epochs or passes of its own. */
  progress({ head, part, epoch, solver }: Training.HeadProgress): void {
    if (part !== 0) return;
    this.#followed.add(head);
    const session = this.#nameOf(head);
    this.#write((board) => {
      if (epoch !== undefined) board.scalars(epoch.epoch, epochScalars(epoch), session);
      if (solver !== undefined) board.scalars(Math.ceil(solver.passes), solverScalars(solver), session);
    });
  }

  head({ head, score, fits, error }: Training.HeadReport): void {
    const session = this.#nameOf(head);
    this.#write((board) => {
      const [first] = fits;
      if (score !== undefined && first !== undefined) {
        const passes = fits.reduce((sum, fit) => sum + (fit.passes ?? fit.epochs.length), 0);
        const { loss, accuracy } = score;
        const end = Math.ceil(first.passes ?? first.epochs.length);
        const last = first.epochs.at(-1);
        // A new file takes the place of what there is from its first step on: here of the last epoch. (Solvers end with one more pass.)
        if (last !== undefined && !this.#followed.has(head)) board.scalars(end, epochScalars(last), session);
        board.scalars(end, { 'validation/loss': loss, 'validation/accuracy': accuracy, passes }, session);
        if (score.losses.length > 1) writeParts(board, `${session}/parts`, score);
      }
      board.end(session, error === undefined);
    });
  }

  /** What cannot be written is told once: models are worth more. */
  #write(write: (board: TensorBoard) => void): void {
    if (this.#board === undefined) return;
    try {
      write(this.#board);
    } catch (cause) {
      this.#progress.warn(`warning: ${messageOf(cause)}: --tensorboard writes nothing more`);
      this.#board = undefined;
    }
  }

  end(): void {
    if (this.#board !== undefined) closed(this.#board, this.#progress);
  }

  /** In order, whatever their number. */
  #nameOf(head: number): string {
    return `head-${String(head).padStart(String(this.#heads - 1).length, '0')}`;
  }
}

/** In a folder of their own, whose steps are numbers of parts: a sweep that goes on writes them from the first one on again. */
function writeParts(
  board: TensorBoard,
  session: string,
  { losses, accuracies }: NonNullable<Training.HeadReport['score']>,
): void {
  for (const [part, loss] of losses.entries()) {
    board.scalars(part, { 'part/loss': loss, 'part/accuracy': accuracies[part] }, session);
  }
  board.end(session);
}

/** A model is worth more than its event files: what could not be written is a warning. */
function closed(board: TensorBoard, progress: Progress): void {
  try {
    board.close();
  } catch (cause) {
    progress.warn(`warning: ${messageOf(cause)}`);
  }
}
