// What a report is made of: plain JSON, as a run directory's files hold it. Every part may be missing, and its section is then
// left out; figures that JSON does not have (NaN, infinities) are null.

/** null: not known, or not a number that JSON has. */
export type Figure = number | null;

export type JsonFact =
  | null
  | boolean
  | number
  | string
  | readonly JsonFact[]
  | { readonly [name: string]: JsonFact | undefined };

export type JsonFacts = { readonly [name: string]: JsonFact | undefined };

/** One property for each file of a run directory. */
export interface ReportFacts {
  /** What the page is called; default: the command and what it worked on. */
  readonly title?: string;
  /** config.json: what was asked for. */
  readonly config?: ConfigFacts;
  /** environment.json: where it ran, and on which data. */
  readonly environment?: EnvironmentFacts;
  /** status.json. */
  readonly status?: StatusFacts;
  /** metrics.jsonl, in order. */
  readonly metrics?: readonly MetricsLine[];
  /** result.json: what --json prints at the end. */
  readonly result?: RunResult;
}

export interface ConfigFacts {
  readonly command: string;
  /** Every option with its value. */
  readonly options: JsonFacts;
  readonly [name: string]: JsonFact | undefined;
}

export interface EnvironmentFacts {
  /** The version of softshard. */
  readonly softshard?: string;
  readonly node?: string;
  readonly platform?: string;
  readonly arch?: string;
  readonly cpu?: string | null;
  readonly threads?: number;
  readonly numerics?: string;
  readonly data?: readonly DataFacts[];
  readonly [name: string]: JsonFact | undefined | readonly DataFacts[];
}

export interface DataFacts {
  /** What it is: data, labels, validationData, … */
  readonly name: string;
  readonly path: string;
  readonly bytes?: number;
  readonly sha256?: string;
}

export interface StatusFacts {
  readonly state: 'running' | 'interrupted' | 'failed' | 'finished';
  /** Points of time, as Date.toISOString gives them. */
  readonly startedAt?: string;
  readonly updatedAt?: string;
  /** Why it failed. */
  readonly cause?: string;
  readonly [name: string]: JsonFact | undefined;
}

/** A line of metrics.jsonl: what was known at one time. Fields with a number are drawn against the steps, epochs or passes. */
export interface MetricsLine {
  /** Seconds since the run first started. */
  readonly time: number;
  readonly step?: number;
  /** From 1. */
  readonly epoch?: number;
  /** Passes over the rows so far. */
  readonly pass?: number;
  readonly iteration?: number;
  /** Of a sweep: which model, from 0. */
  readonly head?: number;
  /** Which of the parts was held out. */
  readonly fold?: number;
  readonly C?: number;
  readonly 'train/loss'?: Figure;
  readonly 'train/gradientNorm'?: Figure;
  readonly 'validation/loss'?: Figure;
  readonly 'validation/accuracy'?: Figure;
  readonly objective?: Figure;
  /** How far the objective is from its minimum, at most. */
  readonly gap?: Figure;
  /** gap / objective. */
  readonly gapRelative?: Figure;
  readonly learningRate?: Figure;
  readonly rowsPerSecond?: Figure;
  /** Of a sweep: what a head came to on rows held out. */
  readonly score?: Figure;
  readonly [name: string]: JsonFact | undefined;
}

/**
 * What train, sweep and evaluate print with --json, and result.json holds. Figures of one command are missing from the others.
 */
export interface RunResult extends TrainedFacts, SweptFacts, CostFacts {
  readonly features?: number;
  readonly classes?: number;
  readonly classNames?: readonly string[] | null;
  /** The path of the model. */
  readonly model?: string | null;
  /** How the model does on rows whose classes are known. */
  readonly evaluation?: EvaluationFacts | null;
  readonly warnings?: readonly WarningFacts[];
  readonly interrupted?: boolean;
}

export interface CostFacts {
  readonly threads?: number;
  readonly numerics?: string;
  readonly node?: string;
  readonly durationMs?: Figure;
  readonly rowsPerSecond?: Figure;
  readonly rows?: number;
  readonly trainingRows?: number;
  readonly validationRows?: number;
  readonly testRows?: number;
}

export interface WarningFacts {
  readonly code: string;
  readonly message: string;
}

/** Of train. */
export interface TrainedFacts {
  readonly loss?: Figure;
  readonly accuracy?: Figure;
  /** The share of the most frequent class, which the accuracy compares with. */
  readonly majority?: Figure;
  readonly validationLoss?: Figure;
  readonly validationAccuracy?: Figure;
  readonly validationMajority?: Figure;
  readonly testLoss?: Figure;
  readonly testAccuracy?: Figure;
  readonly testMajority?: Figure;

  // Training step by step:
  readonly epochs?: readonly EpochFacts[];
  readonly steps?: number;
  readonly plannedSteps?: number;
  readonly bestEpoch?: number;
  readonly stoppedEarly?: boolean;

  // Full-batch solvers:
  readonly solver?: string | null;
  readonly objective?: Figure;
  readonly gap?: Figure;
  readonly gapRelative?: Figure;
  readonly tol?: Figure;
  /** Of a sweep, see HeadFacts.passes. */
  readonly passes?: Figure;
  readonly converged?: boolean;
  readonly stopReason?: string | null;
  readonly C?: Figure;
  readonly l2?: Figure;
  readonly l1?: Figure;
  readonly zeroWeights?: Figure;
  readonly scale?: string | null;
  readonly choice?: ChoiceFacts | null;
}

export interface EpochFacts {
  /** From 1. */
  readonly epoch: number;
  readonly loss: Figure;
  readonly validationLoss?: Figure;
  readonly validationAccuracy?: Figure;
  readonly learningRate?: Figure;
  readonly durationMs?: Figure;
  readonly rowsPerSecond?: Figure;
}

/** How C and the scaling were chosen. */
export interface ChoiceFacts {
  readonly tried: readonly TriedFacts[];
  readonly folds: number;
  readonly rows: number;
  readonly passes: number;
}

export interface TriedFacts {
  readonly scale: string;
  readonly C: number;
  /** Of held-out rows; the error is that of the mean loss. */
  readonly loss: Figure;
  readonly standardError: Figure;
  readonly accuracy: Figure;
}

/** Of sweep. */
export interface SweptFacts {
  /** The number of the best head. */
  readonly best?: number | null;
  /** From the best to the worst. */
  readonly heads?: readonly HeadFacts[];
  /** Into how many parts the rows were cut. */
  readonly cv?: number | null;
  readonly splitSeed?: number | null;
  readonly rankBy?: string;
}

export interface HeadFacts {
  readonly head: number;
  /** The options that differ between heads. */
  readonly options: JsonFacts;
  /** The mean of the parts, and its standard error. */
  readonly loss: Figure;
  readonly lossError?: Figure;
  readonly accuracy: Figure;
  readonly accuracyError?: Figure;
  /** Of each part. */
  readonly losses?: readonly Figure[];
  readonly accuracies?: readonly Figure[];
  readonly droppedAfter?: number | null;
  readonly passes?: readonly Figure[];
  readonly gapRelative?: readonly Figure[];
  readonly converged?: readonly (boolean | null)[];
  readonly stopReason?: readonly (string | null)[];
  /** The message of the error of a head that failed. */
  readonly error?: string | null;
}

/** What evaluate prints with --json. */
export interface EvaluationFacts {
  /** Which rows they are: 'test', 'validation', 'training', or a path. */
  readonly of?: string;
  readonly rows: number;
  readonly ignored?: number;
  readonly invalid?: number;
  readonly loss: Figure;
  readonly lossStandardError?: Figure;
  readonly perplexity?: Figure;
  readonly accuracy: Figure;
  readonly majority?: Figure;
  readonly correct?: number;
  readonly topK?: number;
  readonly topKAccuracy?: Figure;
  /** [topK]. */
  readonly accuracyAtK?: readonly Figure[];
  readonly macro?: ScoreFacts;
  readonly weighted?: ScoreFacts;
  readonly classNames?: readonly string[] | null;
  readonly perClass?: readonly ClassFacts[];
  /** Rows of [target, prediction], [classes × classes]. */
  readonly confusion?: readonly (readonly number[])[] | null;
  readonly calibration?: CalibrationFacts;
  /** Of a calibrated model: what its logits were divided by. */
  readonly temperature?: number | null;
  /** The same rows by the model before that. */
  readonly beforeTemperature?: { readonly loss: Figure; readonly calibration: CalibrationFacts } | null;
  /** The most frequent mistakes, the most frequent first. */
  readonly topConfusions?: readonly ConfusionFacts[];
  /** Rows of the largest losses, the largest first. */
  readonly worstRows?: readonly WorstRowFacts[];
}

export interface ScoreFacts {
  readonly precision: Figure;
  readonly recall: Figure;
  readonly f1: Figure;
}

export interface ClassFacts {
  readonly class: number;
  readonly name: string;
  readonly rows: number;
  readonly recall: Figure;
  readonly precision: Figure;
  readonly f1?: Figure;
}

export interface CalibrationFacts {
  readonly expectedError: Figure;
  readonly maximumError: Figure;
  readonly bins: readonly BinFacts[];
}

/** Rows whose largest probability is in (from, to]. */
export interface BinFacts {
  readonly from: number;
  readonly to: number;
  readonly rows: number;
  readonly accuracy: Figure;
  readonly confidence: Figure;
}

export interface ConfusionFacts {
  readonly target: number;
  readonly prediction: number;
  readonly rows: number;
}

export interface WorstRowFacts {
  /** From 0. */
  readonly row: number;
  readonly target: number;
  readonly prediction: number;
  /** null: infinite. */
  readonly loss: Figure;
  /** The probability of the prediction. */
  readonly confidence: Figure;
}
