// The options of fit and fitMany that are about checkpoints, and their checks.
import { SoftshardError } from '../../../errors.js';
import {
  checkBoolean,
  checkFunction,
  checkInteger,
  checkNumber,
  checkOptionNames,
  inspectValue,
} from '../../checks.js';
import { CHECKPOINT_VERSION, type Checkpoint, type CheckpointOptions } from './checkpoint.js';

export interface ResumeOptions {
  /** Hands out checkpoints, from which training goes on with the same bits: see docs/training.md. */
  checkpoint?: CheckpointOptions | undefined;
  /**
   * Goes on from a checkpoint of a training with the same rows, targets and options, on any number of threads and with any
   * memory, and ends with the bits of one that was never cut off. Throws ERR_CHECKPOINT where something differs that decides
   * about the bits.
   */
  resumeFrom?: Checkpoint | undefined;
}

export const RESUME_OPTION_NAMES = [
  'checkpoint',
  'resumeFrom',
] as const satisfies readonly (keyof ResumeOptions)[];

export interface CheckedCheckpoints {
  readonly onCheckpoint: CheckpointOptions['onCheckpoint'];
  /** Undefined: the default, which costs little. */
  readonly everySeconds: number | undefined;
  /** Undefined: by time. */
  readonly everySteps: number | undefined;
  readonly atStop: boolean;
}

export interface CheckedResume {
  readonly checkpoints: CheckedCheckpoints | undefined;
  readonly resumeFrom: Checkpoint | undefined;
}

const ARGUMENT = 'options.checkpoint';
const NAMES: readonly (keyof CheckpointOptions)[] = ['onCheckpoint', 'everySeconds', 'everySteps', 'atStop'];

export function checkResumeOptions(
  { checkpoint, resumeFrom }: ResumeOptions,
  kind: Checkpoint['kind'],
): CheckedResume {
  return {
    checkpoints: checkpoint === undefined ? undefined : checkCheckpoints(checkpoint),
    resumeFrom: resumeFrom === undefined ? undefined : checkResumeFrom(resumeFrom, kind),
  };
}

function checkCheckpoints(options: CheckpointOptions): CheckedCheckpoints {
  checkOptionNames(ARGUMENT, options, NAMES);
  const { everySeconds, everySteps, atStop = true } = options;
  const onCheckpoint = checkFunction(`${ARGUMENT}.onCheckpoint`, options.onCheckpoint);
  if (onCheckpoint === undefined) {
    const message = `${ARGUMENT} has no onCheckpoint: pass a function that keeps what it is called with`;
    throw new SoftshardError('ERR_OPTION', message, { argument: `${ARGUMENT}.onCheckpoint` });
  }
  if (everySeconds !== undefined && everySteps !== undefined) {
    const message = `${ARGUMENT} has both everySeconds and everySteps: leave one of them out`;
    throw new SoftshardError('ERR_OPTION', message, {
      argument: `${ARGUMENT}.everySteps`,
      value: everySteps,
    });
  }
  return {
    onCheckpoint,
    everySeconds:
      everySeconds === undefined ? undefined : checkNumber(`${ARGUMENT}.everySeconds`, everySeconds, 0),
    everySteps:
      everySteps === undefined
        ? undefined
        : checkInteger(`${ARGUMENT}.everySteps`, everySteps, 1, Number.MAX_SAFE_INTEGER),
    atStop: checkBoolean(`${ARGUMENT}.atStop`, atStop),
  };
}

function checkResumeFrom(checkpoint: Checkpoint, kind: Checkpoint['kind']): Checkpoint {
  const argument = 'options.resumeFrom';
  if (!isCheckpoint(checkpoint)) {
    const message = `${argument} is ${inspectValue(checkpoint)}: pass what onCheckpoint was called with, or what decodeCheckpoint gives`;
    throw new SoftshardError('ERR_TYPE', message, { argument, value: checkpoint });
  }
  if (checkpoint.kind !== kind) {
    const message = `${argument} is a checkpoint of ${checkpoint.kind}, and this is ${kind}: pass it to ${checkpoint.kind}`;
    throw new SoftshardError('ERR_CHECKPOINT', message, { argument, value: checkpoint.kind });
  }
  if (checkpoint.version === CHECKPOINT_VERSION) return checkpoint;
  const message = `${argument} is of checkpoint version ${inspectValue(checkpoint.version)}, and this softshard goes on from version ${CHECKPOINT_VERSION}: go on with the softshard that made it`;
  throw new SoftshardError('ERR_CHECKPOINT', message, { argument, value: checkpoint.version });
}

function isCheckpoint(value: unknown): value is Checkpoint {
  if (typeof value !== 'object' || value === null) return false;
  const { kind, state, conditions } = value as Partial<Checkpoint>;
  const isFull = typeof kind === 'string' && state !== undefined && state !== null;
  if (!isFull || typeof conditions !== 'object' || conditions === null) return false;
  return Object.values(conditions).every((condition) => typeof condition === 'string');
}
