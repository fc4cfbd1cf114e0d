// What reports are made of, as users name it: Reports.ReportFacts.
export type { EvaluationNames } from '../report/evaluation-facts.js';
export type {
  BinFacts,
  CalibrationFacts,
  ChoiceFacts,
  ClassFacts,
  ConfigFacts,
  ConfusionFacts,
  CostFacts,
  DataFacts,
  EnvironmentFacts,
  EpochFacts,
  EvaluationFacts,
  Figure,
  HeadFacts,
  JsonFact,
  JsonFacts,
  MetricsLine,
  ReportFacts,
  RunResult,
  ScoreFacts,
  StatusFacts,
  SweptFacts,
  TrainedFacts,
  TriedFacts,
  WarningFacts,
  WorstRowFacts,
} from '../report/facts.js';
export type { ReadRunOptions } from '../report/read-run.js';
export type { HParam, HParams } from '../report/tensorboard/hparams.js';
export type { TensorBoardOptions } from '../report/tensorboard/tensorboard.js';
