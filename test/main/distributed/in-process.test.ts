import { describe, expect, test } from 'vitest';
import { treeSum } from '#softshard/kernels/tree-sum.js';
import { inProcessTransports } from '#softshard/main/distributed/in-process.js';
import type { Transport } from '#softshard/main/distributed/transport.js';

const branchOf = (Values: typeof Float32Array | typeof Float64Array, branch: number, length: number) =>
  new Values(
    Array.from({ length }, (_, i) => Math.sin(1 + branch * 131 + i * 0.7) * 10 ** ((branch + i) % 7)),
  );

/** Element by element, in float32 by rounding each sum. */
function sumAlone(
  Values: typeof Float32Array | typeof Float64Array,
  count: number,
  length: number,
): Float32Array | Float64Array {
  const branches = Array.from({ length: count }, (_, branch) => branchOf(Values, branch, length));
  for (let distance = 1; distance < count; distance *= 2) {
    for (let at = 0; at + distance < count; at += 2 * distance) {
      for (let i = 0; i < length; i++) branches[at]![i]! += branches[at + distance]![i]!;
    }
  }
  return branches[0]!;
}

async function sumOf(
  transport: Transport,
  Values: typeof Float32Array | typeof Float64Array,
  count: number,
  length: number,
) {
  const { rank, ranks } = transport;
  const [begin, end] = [Math.floor((count * rank) / ranks), Math.floor((count * (rank + 1)) / ranks)];
  const branches = Array.from({ length: end - begin }, (_, i) => branchOf(Values, begin + i, length));
  const into = branches[0] ?? new Values(length);
  await transport.treeSum({ begin, branches, into }, count);
  return into;
}

describe.each([
  ['float32', Float32Array],
  ['float64', Float64Array],
] as const)('treeSum in %s', (_, Values) => {
  test.each([1, 2, 3, 4, 5, 8])(
    'on %i ranks has the bits of one, for any number of branches',
    async (ranks) => {
      for (const count of [1, 2, 3, 4, 5, 7, 8, 16, 33]) {
        for (const length of [1, 2, 5, 103]) {
          const sums = await Promise.all(
            inProcessTransports(ranks).map((transport) => sumOf(transport, Values, count, length)),
          );
          const want = sumAlone(Values, count, length);
          for (const sum of sums) expect(sum, `${count} branches of ${length}`).toEqual(want);
        }
      }
    },
  );
});

test('the sum of branches of one number is that of treeSum', async () => {
  const values = Float64Array.from({ length: 21 }, (_, i) => 1 / (i + 1));
  const sums = await Promise.all(
    inProcessTransports(3).map(async (transport) => {
      const begin = 7 * transport.rank;
      const branches = [...values.subarray(begin, begin + 7)].map((value) => Float64Array.of(value));
      await transport.treeSum({ begin, branches }, 21);
      return branches[0]![0];
    }),
  );
  expect(new Set(sums)).toEqual(new Set([treeSum(values)]));
});

test('bytes of any length go from all to all, to one, and from one', async () => {
  const transports = inProcessTransports(3);
  const own = (rank: number) => new Uint8Array(rank).fill(10 + rank);
  const all = [0, 1, 2].map(own);
  expect(await Promise.all(transports.map((one) => one.allGather(own(one.rank))))).toEqual([all, all, all]);
  const gathered = await Promise.all(transports.map((one) => one.gather(own(one.rank), 2)));
  expect(gathered).toEqual([undefined, undefined, all]);
  const sent = await Promise.all(
    transports.map((one) => one.broadcast(one.rank === 1 ? own(2) : undefined, 1)),
  );
  expect(sent).toEqual([own(2), own(2), own(2)]);
});

test('calls of a rank keep their order without waiting for each other', async () => {
  const calls = inProcessTransports(2).map(async (one) => {
    const answers = [1, 2, 3].map((call) => one.allGather(Uint8Array.of(call, one.rank)));
    return (await Promise.all(answers)).map((all) => all.map((bytes) => [...bytes]));
  });
  const want = [1, 2, 3].map((call) => [
    [call, 0],
    [call, 1],
  ]);
  expect(await Promise.all(calls)).toEqual([want, want]);
});

test('where ranks make different calls, all are told, by name', async () => {
  const transports = inProcessTransports(2);
  const calls = transports.map((one) => (one.rank === 0 ? one.barrier() : one.allGather(new Uint8Array())));
  const message = /rank \d makes \w+ as its call 1, rank \d \w+ as its call 1/;
  for (const call of calls)
    await expect(call).rejects.toMatchObject({
      code: 'ERR_DISTRIBUTED',
      message: expect.stringMatching(message),
    });
});

test.each([
  [{ begin: 0, length: 4, count: 9 }, /bring 8 branches together, of 9/],
  [
    { begin: 1, length: 4, count: 8 },
    /rank 1 begins at branch 5, where 4 comes next|rank 0 begins at branch 1/,
  ],
])('branches that do not fit together are refused: %j', async ({ begin, length, count }, message) => {
  const calls = inProcessTransports(2).map((one) =>
    one.treeSum(
      { begin: begin + 4 * one.rank, branches: Array.from({ length }, () => new Float64Array(3)) },
      count,
    ),
  );
  for (const call of calls) await expect(call).rejects.toThrow(message);
});

test('a rank that fails is heard of in the call of others, whatever waits behind it, and all can go on', async () => {
  const transports = inProcessTransports(3);
  const outcomes = await Promise.allSettled(
    transports.map(async (one) => {
      if (one.rank === 1) return one.fail(new Error('no such file'));
      const second = one.barrier();
      const third = one.barrier();
      third.catch(() => {});
      await second.catch(async (error) => {
        await expect(third).rejects.toBe(error);
        throw error;
      });
      return undefined;
    }),
  );
  const told = {
    status: 'rejected',
    reason: expect.objectContaining({ rank: 1, message: 'rank 1: no such file' }),
  };
  expect(outcomes).toEqual([told, { status: 'fulfilled', value: 1 }, told]);
  await Promise.all(transports.map((one) => one.close()));
  await expect(transports[0]!.barrier()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
});

test('of several that fail, all name the lowest; an error is told once', async () => {
  const transports = inProcessTransports(3);
  const errors = transports.map((one) => new Error(`of ${one.rank}`));
  const told = await Promise.all(
    transports.map(async (one) =>
      one.rank === 0 ? one.barrier().catch(({ rank }) => rank) : one.fail(errors[one.rank]),
    ),
  );
  expect(told).toEqual([1, 1, 1]);
  expect(await transports[2]!.fail(errors[2])).toBe(1);
});

test.each([
  ['an object', new Error('no such file')],
  ['a text', 'no such file'],
])('%s is told once, and again once ranks have gone on', async (_, error) => {
  const transports = inProcessTransports(2);
  const [first, second] = transports as [Transport, Transport];
  for (let time = 0; time < 2; time++) {
    const heard = first.barrier().catch(({ message }) => message);
    await second.fail(error);
    expect(await heard).toBe('rank 1: no such file');
    // Whoever has it next tells nobody: this would wait for a call of the other.
    expect(await second.fail(error)).toBe(1);
    await Promise.all(transports.map((one) => one.barrier()));
  }
});
