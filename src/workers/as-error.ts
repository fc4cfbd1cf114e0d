// Errors of tasks.
import { inspect, types } from 'node:util';

/** Whatever a task throws, as an error: Piscina takes null for none. */
export const asError = (thrown: unknown): Error =>
  types.isNativeError(thrown) ? thrown : new Error(`it threw ${inspect(thrown)}`);

/** Main checks all targets and keeps its own copy, so a bad one here is a fault of ours, not of the caller. */
export const invalidTargetError = (position: number): Error =>
  new Error(`the target at position ${position} of the epoch's rows is out of range after it was checked`);
