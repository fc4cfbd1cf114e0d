// Gives engines their jobs. These are above all that they call, and the engine is below it: so the engine cannot know of them.
import { Engine } from '../engine.js';
import { type Jobs, jobsOfEngine } from './jobs.js';

declare module '../engine.js' {
  interface Engine {
    /** Work that waits in line and tells of its progress: docs/jobs.md. Throws ERR_CLOSED where there were none before. */
    readonly jobs: Jobs;
  }
}

Object.defineProperty(Engine.prototype, 'jobs', {
  configurable: true,
  get(this: Engine): Jobs {
    return jobsOfEngine(this);
  },
});
