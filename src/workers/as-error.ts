// Whatever a task throws, as an error: Piscina takes null for none.
import { inspect } from 'node:util';

export const asError = (thrown: unknown): Error =>
  thrown instanceof Error ? thrown : new Error(`it threw ${inspect(thrown)}`);
