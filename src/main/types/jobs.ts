// What is submitted to engine.jobs, and what comes of it, as users name them: Jobs.Job.

export type { Job, JobState } from '../jobs/job.js';
export type {
  CalibrateJob,
  EvaluateJob,
  FitJob,
  FitManyJob,
  JobOptions,
  JobSpec,
  PredictJob,
  TaskJob,
} from '../jobs/job-specs.js';
export type { Jobs } from '../jobs/jobs.js';
export type { JobProgress } from '../jobs/progress.js';
