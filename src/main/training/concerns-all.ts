// Which errors of one model in training end all of them.
import { SoftshardError } from '../../errors.js';
import type { Resources } from '../dispatch/resources.js';
import { OtherRankError } from '../distributed/queued-transport.js';
import { withOthers } from '../distributed/together.js';

/** Whoever runs heads or reads their rows has failed, not the head: another rank, say, or one that has less memory than others. */
export const concernsAll = (error: unknown, { transport }: Pick<Resources, 'transport'>): boolean =>
  !(error instanceof SoftshardError) ||
  error instanceof OtherRankError ||
  ['ERR_WORKER', 'ERR_CLOSED', 'ERR_FILE', 'ERR_FORMAT', 'ERR_DISTRIBUTED'].includes(error.code) ||
  (error.code === 'ERR_ARENA_FULL' && withOthers(transport) !== undefined);
