import { describe, expect, test } from 'vitest';
import {
  fitTransport,
  gatherMs,
  meetingMs,
  type PassConstants,
  predictPass,
  sumMs,
  sumWork,
  type TransportConstants,
} from '#softshard/main/scaling/ranks/cost-model.js';
import { overLink, predictScaling } from '#softshard/main/scaling/ranks/predict.js';

/** 1 GB/s each way, 2 GB/s of additions, messages of 10 µs. */
const transport: TransportConstants = {
  callMs: 0.05,
  latencyMs: 0.01,
  bytesPerMs: 1e6,
  addBytesPerMs: 2e6,
};
const pass: PassConstants = {
  rowMs: 0.001,
  fixedMs: 2,
  calls: [{ kind: 'sum', bytes: 1e6, count: 1 }],
};

describe('the cost model', () => {
  test('a sum of halves and doubles takes 2 (p - 1) / p of its bytes and 2 log₂ p messages', () => {
    expect(sumWork(8e6, 8)).toEqual({
      messagesInTurn: 6,
      messagesAtOnce: 0,
      bytesEachWay: 14e6,
      bytesAdded: 7e6,
    });
    expect(sumMs(transport, 1e6, 2)).toBeCloseTo(0.05 + 0.01 + 0.02 + 1 + 0.25, 6);
  });

  test('a sum by segments, of ranks that are no power of two or have nothing, has two rounds of messages to all', () => {
    expect(sumWork(3e6, 3)).toMatchObject({ messagesInTurn: 2, messagesAtOnce: 2, bytesEachWay: 4e6 });
    expect(sumWork(8e6, 8, 4)).toMatchObject({ messagesInTurn: 2, bytesAdded: 3e6 });
  });

  test('one rank needs nobody', () => {
    expect(meetingMs(transport, 1)).toBe(transport.callMs);
    expect(gatherMs(transport, 1e6, 1)).toBe(transport.callMs);
    expect(predictPass(transport, pass, { rows: 1000, branches: 4 }, 1)).toEqual({
      ranks: 1,
      rows: 1000,
      ms: 3,
      networkMs: 0,
      busyRanks: 1,
    });
  });

  test('a pass takes as long as the rank with most branches', () => {
    const msOn = (ranks: number) => {
      const { ms, networkMs } = predictPass(transport, pass, { rows: 8000, branches: 8 }, ranks);
      return ms - networkMs;
    };
    expect([1, 2, 3, 4, 8].map(msOn)).toEqual([10, 6, 5, 4, 3]);
  });

  test('ranks beyond the branches have nothing to do', () => {
    const shape = { rows: 8000, branches: 8 };
    const [eight, sixteen] = [8, 16].map((ranks) => predictPass(transport, pass, shape, ranks));
    expect(sixteen!.busyRanks).toBe(8);
    expect(sixteen!.ms).toBeGreaterThan(eight!.ms - 1);
  });

  test('waiting counts at each call', () => {
    const shape = { rows: 8000, branches: 8 };
    const [without, waiting] = [pass, { ...pass, waitMs: 0.5 }].map((of) =>
      predictPass(transport, of, shape, 4),
    );
    expect(waiting!.ms - without!.ms).toBeCloseTo(0.5, 9);
    expect(predictPass(transport, { ...pass, waitMs: 0.5 }, shape, 1).ms).toBe(10);
  });

  test('kernels take longer while other ranks of the machine work', () => {
    const shape = { rows: 8000, branches: 8, load: 2 };
    const { ms, networkMs } = predictPass(transport, pass, shape, 4);
    expect(ms - networkMs).toBeCloseTo(2 + 4, 9);
  });

  test.each([2, 3, 4, 8, 100])('the fit finds the constants that times on %i ranks were made of', (ranks) => {
    const sums = [8, 65_536, 1e6, 16e6].map((bytes) => ({ bytes, ms: sumMs(transport, bytes, ranks) }));
    const found = fitTransport(transport, ranks, meetingMs(transport, ranks), sums);
    for (const [name, value] of Object.entries(transport)) {
      expect(found[name as keyof TransportConstants] / value).toBeCloseTo(1, 6);
    }
  });

  test('constants stay above 0, whatever noise makes of the times', () => {
    const found = fitTransport(transport, 2, 0.001, [
      { bytes: 8, ms: 1 },
      { bytes: 1e6, ms: 0.001 },
    ]);
    expect(Object.values(found).every((value) => value > 0 && Number.isFinite(value))).toBe(true);
  });
});

describe('predictions', () => {
  const branchesOf = (rows: number) => 2 ** Math.floor(Math.log2(rows / 1000));
  const predicted = predictScaling(
    { ...transport, bytesPerMs: 1e8 },
    { ...pass, fixedMs: 0 },
    { rows: 1_024_000, rowsPerRank: 4000, branchesOf },
  );

  test('are of 1 to 1,024 ranks on 10, 25 and 100 Gbit/s, faster the faster the link', () => {
    expect(predicted.map(({ gbitPerSecond }) => gbitPerSecond)).toEqual([10, 25, 100]);
    for (const { strong, weak } of predicted) {
      expect(strong.map(({ ranks }) => ranks)).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]);
      expect(strong[0]!.efficiency).toBe(1);
      expect(weak.map(({ rows }) => rows)).toEqual(strong.map(({ ranks }) => 4000 * ranks));
      for (const [index, { efficiency }] of strong.entries())
        expect(efficiency).toBeLessThanOrEqual(strong[index - 1]?.efficiency ?? 1);
    }
    const at64 = predicted.map(({ strong }) => strong.find(({ ranks }) => ranks === 64)!.ms);
    expect(at64).toEqual([...at64].sort((a, b) => b - a));
  });

  test('say where strong scaling ends, and why', () => {
    expect(predicted[0]!.text).toMatch(
      /^10 Gbit\/s: at least half efficient up to \d+ ranks; sums between ranks then take half of a pass and more\.$/,
    );
    const few = predictScaling(transport, pass, { rows: 1e6, rowsPerRank: 1e6, branchesOf: () => 4 });
    expect(few[0]!.text).toMatch(
      /up to (?:4|8) ranks; the rows have 4 branches, so that more ranks have nothing to do\.$/,
    );
  });

  test('a link is no faster than the transport was', () => {
    expect(overLink(transport, 1).bytesPerMs).toBeCloseTo(0.94 * 125_000, 6);
    expect(overLink(transport, 100).bytesPerMs).toBe(transport.bytesPerMs);
    expect(overLink(transport, 10).latencyMs).toBeGreaterThan(transport.latencyMs);
  });
});
