// What metrics take and report, as users name it: Metrics.MetricsReport.
export type { MetricsAddOptions, MetricsOptions } from '../metrics/classification-metrics.js';
export type { CalibrationBin, ClassReport, MetricsReport, ScoreAverages } from '../metrics/report.js';
export type { SavedMetrics } from '../metrics/saved-metrics.js';
