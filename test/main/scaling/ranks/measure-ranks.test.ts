import { describe, expect, test } from 'vitest';
import {
  compareScaling,
  inProcessTransports,
  measureRankScaling,
  SoftshardError,
  scalingReport,
} from '#softshard/main/index.js';
import { CountingTransport, callsAPass } from '#softshard/main/scaling/ranks/counting-transport.js';
import { amongFirst } from '#softshard/main/scaling/ranks/group.js';

const SMALL = { rows: 300, features: 9, classes: 3, threads: 1, seconds: 0.05, quick: true };

describe('measureRankScaling', () => {
  test('gives all ranks the figures of rank 0, checked and with equal bits', async () => {
    const results = await Promise.all(
      inProcessTransports(3).map((transport) => measureRankScaling(transport, SMALL)),
    );
    const [result] = results;
    for (const other of results) expect(other).toEqual(result);
    const { workloads, ranks } = result!;
    expect(workloads).toMatchObject([
      { operation: 'fullBatchPass', preset: 'own', rows: 300, features: 9, classes: 3, bitsEqual: true },
    ]);
    expect(workloads[0]!.strong.map((point) => [point.ranks, point.rows])).toEqual([
      [1, 300],
      [2, 300],
      [3, 300],
    ]);
    expect(workloads[0]!.weak.map((point) => [point.ranks, point.rows])).toEqual([
      [1, 100],
      [2, 200],
      [3, 300],
    ]);
    expect(workloads[0]!.strong[0]).toMatchObject({ speedup: 1, efficiency: 1 });
    expect(ranks).toMatchObject({ ranks: 3, threads: 1, branches: 1, sumsBitsEqual: true });
    expect(ranks!.hosts).toMatchObject([{ ranks: 3 }]);
    expect(ranks!.pass.calls.some(({ kind, bytes }) => kind === 'sum' && bytes >= 30 * 8)).toBe(true);
    expect(workloads[0]!.verdict.text).toContain('1 branch of 32 MiB');
    // Through a file, as --compare and the page take it.
    const read = JSON.parse(JSON.stringify(result));
    expect(compareScaling(read, result!).points).toHaveLength(5);
    const page = scalingReport(read);
    expect(page).toContain('Predicted weak scaling');
    expect(page).toContain('Strong scaling: speed-up by number of ranks');
    expect(page.slice(page.indexOf('<body>'), page.indexOf('<script'))).not.toMatch(/NaN|undefined|Infinity/);
  });

  test.each([
    [{ rows: 1 }, /options\.rows/],
    [{ classes: 1 }, /options\.classes/],
    [{ presets: ['probe'] }, /has no option 'presets'/],
  ])('options %j are refused', async (options, message) => {
    const [transport] = inProcessTransports(2);
    const measured = measureRankScaling(transport!, options as never);
    await expect(measured).rejects.toThrow(message);
    await expect(measured).rejects.toBeInstanceOf(SoftshardError);
  });

  test('one rank is refused', async () => {
    await expect(measureRankScaling(inProcessTransports(1)[0]!)).rejects.toThrow(/measureScaling/);
  });
});

test('the calls of a pass are counted by what they carry', async () => {
  const [transport] = inProcessTransports(1);
  const counting = new CountingTransport(transport!);
  for (let pass = 0; pass < 2; pass++) {
    await counting.treeSum({ begin: 0, branches: [new Float64Array(10)] }, 1);
    await counting.allGather(new Uint8Array(100 + pass));
    await counting.barrier();
  }
  expect(callsAPass(counting.take(), 2)).toEqual([
    { kind: 'sum', bytes: 80, count: 1 },
    { kind: 'gather', bytes: 100.5, count: 1 },
    { kind: 'gather', bytes: 0, count: 1 },
  ]);
  expect(counting.take()).toEqual([]);
});

describe('the first ranks among themselves', () => {
  test('do what ranks do, while the others wait', async () => {
    const seen = await Promise.all(
      inProcessTransports(4).map((world) =>
        amongFirst(world, world.firstRanks(2), async (group) => {
          const all = await group.allGather(Uint8Array.of(group.rank));
          return [group.ranks, ...all.map(([byte]) => byte)];
        }),
      ),
    );
    expect(seen).toEqual([[2, 0, 1], [2, 0, 1], undefined, undefined]);
  });

  test('an error of one of them rejects on all, and all can go on', async () => {
    const worlds = inProcessTransports(4);
    const ends = await Promise.allSettled(
      worlds.map((world) =>
        amongFirst(world, world.firstRanks(3), async (group) => {
          if (group.rank === 1) throw new SoftshardError('ERR_FILE', 'no such file');
          await group.barrier();
        }),
      ),
    );
    expect(ends.map((end) => (end.status === 'rejected' ? (end.reason as Error).message : ''))).toEqual([
      'rank 1: no such file',
      'no such file',
      'rank 1: no such file',
      'rank 1: no such file',
    ]);
    await Promise.all(worlds.map((world) => world.barrier()));
  });
});
