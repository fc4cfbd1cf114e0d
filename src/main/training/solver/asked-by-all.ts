// What heads ask of a pass on several ranks. Which of them ask at the same time is a matter of timing, so ranks agree on those that ask
// everywhere.
import { SoftshardError } from '../../../errors.js';
import { allGatherValues } from '../../distributed/together.js';
import type { Transport } from '../../distributed/transport.js';

export interface Asked {
  /** The same on all ranks. */
  readonly head: string;
  readonly what: string;
}

/** Those that ask on all ranks, in the order of rank 0. Throws ERR_DISTRIBUTED where they do not ask for the same. */
export async function askedByAll<Own extends Asked>(
  transport: Transport,
  own: readonly Own[],
): Promise<Own[]> {
  const all = await allGatherValues(
    transport,
    own.map(({ head, what }): Asked => ({ head, what })),
  );
  const find = (of: readonly Asked[], head: string) => of.find((one) => one.head === head);
  const agreed = all[0]!.filter(({ head }) => all.every((ofRank) => find(ofRank, head) !== undefined));
  for (const { head, what } of agreed) {
    for (const [rank, ofRank] of all.entries()) {
      const other = find(ofRank, head)!.what;
      if (other === what) continue;
      throw new SoftshardError(
        'ERR_DISTRIBUTED',
        `rank ${rank} goes another way than rank 0: it asks for ${other}, not ${what}. Ranks need the same data, options and versions, and for numerics 'fast' the same kind of processor`,
      );
    }
  }
  return agreed.map(({ head }) => own.find((one) => one.head === head)!);
}
