// Runs on disk, as users name them: Runs.RunOptions.
export type { RunComparison } from '../runs/compare-runs.js';
export type { RunData, RunEnvironment } from '../runs/environment.js';
export type { RunOptions } from '../runs/open-run.js';
export type { RunMetrics } from '../runs/run-directory.js';
export type { RunState, RunStatus } from '../runs/run-files.js';
