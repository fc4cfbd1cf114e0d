// The options of one of many heads.
import type { FitOptions } from '../fit-options.js';

/** What all heads have in common: their rows, and who is told of them. */
export type SharedName =
  | 'columns'
  | 'features'
  | 'label'
  | 'signal'
  | 'validationSplit'
  | 'split'
  | 'validation'
  | 'calibrate'
  | 'onEpochEnd'
  | 'onStep'
  | 'onProgress'
  | 'onTried'
  | 'oneStandardError'
  | 'warmStart'
  | 'checkpoint'
  | 'resumeFrom';

/** Options of fit that a head of its own has. */
export type HeadOptions = Omit<FitOptions, SharedName>;
