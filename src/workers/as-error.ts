// Whatever a task throws, as an error: Piscina takes null for none.
import { inspect, types } from 'node:util';

export const asError = (thrown: unknown): Error =>
  types.isNativeError(thrown) ? thrown : new Error(`it threw ${inspect(thrown)}`);
