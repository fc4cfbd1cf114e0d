// What measureScaling takes and gives, as users name it: Scaling.ScalingResult.
export type { Trace, TraceEvent } from '../dispatch/trace.js';
export type { ScalingOptions, ScalingProgress } from '../scaling/options.js';
export type { ScalingPreset, ScalingShape } from '../scaling/plan.js';
export type { PassCalls, PassConstants, TransportConstants } from '../scaling/ranks/cost-model.js';
export type { RankScalingOptions } from '../scaling/ranks/options.js';
export type { PredictedLink, PredictedPoint } from '../scaling/ranks/predict.js';
export type { RankFigures, RankHost } from '../scaling/ranks/result.js';
export type { MeasuredSum } from '../scaling/ranks/sums.js';
export type {
  ComparedPoint,
  ScalingBound,
  ScalingComparison,
  ScalingEnvironment,
  ScalingKind,
  ScalingPoint,
  ScalingRecommendation,
  ScalingResult,
  ScalingVerdict,
  TriedOption,
  WorkloadScaling,
} from '../scaling/result.js';
export type { MemoryPattern, Roof } from '../scaling/roofs.js';
export type { ScalingOperation } from '../scaling/workloads/workload.js';
