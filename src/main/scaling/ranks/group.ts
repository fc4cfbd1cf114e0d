// What the first of all ranks do among themselves, while the others wait.
import { allGatherValues } from '../../distributed/together.js';
import type { Transport } from '../../distributed/transport.js';

/** What rank 0 says. */
export const saidByFirst = async <Value>(transport: Transport, value: Value): Promise<Value> =>
  (await allGatherValues(transport, transport.rank === 0 ? value : undefined))[0] as Value;

/**
 * Ends on all ranks when it has on those; gives undefined on the others. An error of one of them rejects on all: the ranks outside
 * hear of it as the work's end is awaited.
 */
export async function amongFirst<Result>(
  world: Transport,
  group: Transport | undefined,
  work: (group: Transport) => Promise<Result>,
): Promise<Result | undefined> {
  let result: Result | undefined;
  if (group !== undefined) {
    try {
      result = await work(group);
    } catch (error) {
      const first = await group.fail(error);
      // Whose error it is tells all; those who know it from that rank hear it once more, with all.
      if (first === world.rank) await world.fail(error);
      else await world.barrier();
      throw error;
    }
  }
  await world.barrier();
  return result;
}
