// Rows that ranks have in memory, each some of them: what all get is what one process that has them all would pass to fit.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  allGatherRows,
  Engine,
  inProcessTransports,
  openFeatures,
  SoftmaxClassifier,
  type Training,
  type Transport,
  writeNpy,
} from '#softshard/main/index.js';
import { bitsOf } from '../../../bits.js';

const [rows, features, classes] = [60, 5, 3];
/** Where the rows of each of three ranks begin and end; one has none. */
const PARTS = [
  [0, 25],
  [25, 25],
  [25, rows],
] as const;
const values = Float32Array.from({ length: rows * features }, (_, i) => Math.sin(i * i));
const indices = Int32Array.from({ length: rows }, (_, row) => (row * row) % classes);
const names = Array.from(indices, (index) => ['red', 'green', 'blue'][index]!);
const weights = Array.from({ length: rows }, (_, row) => 1 + (row % 4));

let alone: Engine;
let engines: readonly Engine[];
const folder = mkdtempSync(join(tmpdir(), 'softshard-'));

beforeAll(async () => {
  const create = (distributed?: Transport) =>
    Engine.create({ threads: 1, arenaBytes: 2 ** 24, ...(distributed && { distributed }) });
  alone = await create();
  engines = await Promise.all(inProcessTransports(PARTS.length).map(create));
});

afterAll(async () => {
  await Promise.all([alone, ...engines].map((engine) => engine.close()));
  rmSync(folder, { recursive: true });
});

const onRanks = <Result>(work: (engine: Engine, begin: number, end: number) => Promise<Result>) =>
  Promise.all(
    engines.map((engine) => {
      const [begin, end] = PARTS[engine.rank]!;
      return work(engine, begin, end);
    }),
  );

const matrix = (begin: number, end: number) => ({
  type: 'float32' as const,
  dims: [end - begin, features],
  data: values.subarray(begin * features, end * features),
});

async function fitted(engine: Engine, { inputs, targets, sampleWeight }: Training.AllRows): Promise<string> {
  const classifier = new SoftmaxClassifier(engine);
  await classifier.fit(inputs, targets, { C: 1, sampleWeight });
  return bitsOf(classifier.weights, classifier.bias);
}

test('a model of the rows of all ranks has the bits of one process', async () => {
  const whole = { inputs: matrix(0, rows), targets: names, sampleWeight: weights };
  const wanted = await fitted(alone, await allGatherRows(alone, whole));
  const found = await onRanks(async (engine, begin, end) => {
    const all = await allGatherRows(engine, {
      inputs: matrix(begin, end),
      targets: names.slice(begin, end),
      sampleWeight: weights.slice(begin, end),
    });
    expect(all.rowOffset).toBe(begin);
    return fitted(engine, all);
  });
  for (const bits of found) expect(bits).toBe(wanted);
});

describe('all ranks get', () => {
  const bytes = Uint8Array.from({ length: rows * features }, (_, i) => i);
  const shares = Float64Array.from({ length: rows * classes }, (_, i) => 1 + (i % 5));
  const part = <Values extends { slice(begin: number, end: number): Values }>(
    all: Values,
    columns: number,
  ) => {
    return (begin: number, end: number) => all.slice(begin * columns, end * columns);
  };
  test.each<[string, (begin: number, end: number) => Training.OwnRows, Partial<Training.AllRows>]>([
    [
      'bytes, and class indices',
      (begin, end) => ({
        inputs: { type: 'uint8', dims: [end - begin, features], data: part(bytes, features)(begin, end) },
        targets: part(indices, 1)(begin, end),
      }),
      { inputs: { type: 'uint8', dims: [rows, features], data: bytes }, targets: indices },
    ],
    [
      'rows of a bare array, and a share of each class',
      (begin, end) => ({
        inputs: part(values, features)(begin, end),
        targets: {
          type: 'float64',
          dims: [end - begin, classes],
          data: part(shares, classes)(begin, end),
        },
      }),
      { inputs: matrix(0, rows), targets: { type: 'float64', dims: [rows, classes], data: shares } },
    ],
    [
      'int64 of another library, and numbers that are converted',
      (begin, end) => ({
        inputs: {
          type: 'float64',
          dims: [end - begin, features],
          data: Float64Array.from(part(values, features)(begin, end)),
        },
        targets: {
          type: 'int64',
          dims: [end - begin],
          data: BigInt64Array.from(part(indices, 1)(begin, end), BigInt),
        },
      }),
      { inputs: matrix(0, rows), targets: BigInt64Array.from(indices, BigInt) },
    ],
  ])('%s', async (_, ownOf, wanted) => {
    const found = await onRanks((engine, begin, end) =>
      allGatherRows(engine, ownOf(begin, end), { columns: features }),
    );
    for (const all of found) expect(all).toMatchObject(wanted);
  });

  test('records with their labels, and the names of their features', async () => {
    const records = names.map((label, row) => ({ label, x: row, y: -row }));
    const own = [records.slice(0, 10), [], records.slice(10)];
    const found = await onRanks((engine) => allGatherRows(engine, { inputs: own[engine.rank]! }));
    for (const all of found) {
      expect(all).toMatchObject({ targets: names, featureNames: ['x', 'y'] });
      expect(all.inputs.data).toEqual(Float32Array.from(records.flatMap(({ x, y }) => [x, y])));
    }
  });

  test('features of records by name, in the order of the first rank that has rows', async () => {
    const own = [
      [],
      [{ label: 'a', x: 1, y: 2, z: 3 }],
      [
        { label: 'b', z: 6, x: 4, y: 5 },
        { label: 'a', z: 9, x: 7, y: 8 },
      ],
    ];
    const found = await onRanks((engine) => allGatherRows(engine, { inputs: own[engine.rank]! }));
    for (const all of found) {
      expect(all).toMatchObject({ targets: ['a', 'b', 'a'], featureNames: ['x', 'y', 'z'] });
      expect(all.inputs.data).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9));
    }
  });

  test('rows of files, more than go in one call', async () => {
    // 1.2 MB a row.
    const wide = 300_000;
    const widths = [20, 3, 1];
    const found = await onRanks(async (engine) => {
      const count = widths[engine.rank]!;
      const path = join(folder, `${engine.rank}.npy`);
      const data = Float32Array.from({ length: count * wide }, (_, i) => engine.rank + (i % 1000));
      await writeNpy(path, { data, dims: [count, wide] });
      await using inputs = await openFeatures(path);
      const targets = new Uint8Array(count).fill(engine.rank);
      const all = await allGatherRows(engine, { inputs, targets });
      return { digest: bitsOf(all.inputs.data), data, all };
    });
    const whole = new Float32Array(24 * wide);
    let at = 0;
    for (const { data } of found) {
      whole.set(data, at);
      at += data.length;
    }
    const wanted = bitsOf(whole);
    for (const { digest, all } of found) {
      expect(digest).toBe(wanted);
      expect(all.targets).toEqual(Uint8Array.from([...Array(20).fill(0), 1, 1, 1, 2]));
    }
    expect(found.map(({ all }) => all.rowOffset)).toEqual([0, 20, 23]);
  });
});

describe('what does not fit together', () => {
  const ends = (
    ownOf: (rank: number) => Training.OwnRows,
    signals: readonly (AbortSignal | undefined)[] = [],
  ) =>
    Promise.allSettled(
      engines.map((engine) => allGatherRows(engine, ownOf(engine.rank), { signal: signals[engine.rank] })),
    );
  const reasonsOf = async (...given: Parameters<typeof ends>) =>
    (await ends(...given)).map((end) => (end.status === 'rejected' ? (end.reason as unknown) : 'fulfilled'));
  const own = (rank: number) => ({ inputs: matrix(0, 4 + rank), targets: indices.slice(0, 4 + rank) });

  test.each<[string, (rank: number) => Training.OwnRows, RegExp]>([
    [
      'features',
      (rank) => (rank === 1 ? { inputs: new Float32Array(8), targets: [0, 1] } : own(rank)),
      /^allGatherRows: features is 4 on rank 1, and 5 on rank 0: the rows of all ranks must be of one kind/,
    ],
    [
      'names of features',
      (rank) => ({ inputs: [rank === 1 ? { label: 'a', y: 1, z: 2 } : { label: 'b', x: 1, y: 2 }] }),
      /^allGatherRows: the names of features is \["y","z"\] on rank 1, and \["x","y"\] on rank 0/,
    ],
    [
      'targets',
      (rank) => (rank === 2 ? { ...own(2), targets: names.slice(0, 6) } : own(rank)),
      /^allGatherRows: the class of targets is Array on rank 2, and Int32Array on rank 0/,
    ],
    [
      'labels',
      (rank) => ({ inputs: matrix(0, 2), targets: rank === 2 ? ['red', 'blue'] : [0, 1] }),
      /^allGatherRows: the type of labels is string on rank 2, and number on rank 0/,
    ],
    [
      'weights',
      (rank) => (rank === 0 ? { ...own(0), sampleWeight: [1, 1, 1, 1] } : own(rank)),
      /^allGatherRows: sampleWeight is there on rank 0, and missing on rank 1/,
    ],
  ])('%s: all ranks say which rank it is', async (_, ownOf, message) => {
    const given = (rank: number) => {
      const { inputs, ...others } = ownOf(rank);
      const dims = ArrayBuffer.isView(inputs) ? [2, 4] : undefined;
      return dims === undefined
        ? { inputs, ...others }
        : { inputs: { type: 'float32' as const, dims, data: inputs as Float32Array }, ...others };
    };
    for (const reason of await reasonsOf(given)) {
      expect(reason).toMatchObject({
        code: 'ERR_DISTRIBUTED',
        message: expect.stringMatching(message) as string,
      });
    }
  });

  test('no rows at all', async () => {
    for (const reason of await reasonsOf(() => ({ inputs: [], targets: [] }))) {
      expect(reason).toMatchObject({ code: 'ERR_SHAPE', message: 'own.inputs has no rows, on no rank' });
    }
  });

  test('on one rank rejects on all', async () => {
    const reasons = await reasonsOf((rank) =>
      rank === 1 ? { ...own(1), targets: indices.slice(0, 3) } : own(rank),
    );
    const cause = 'own.targets has 3 entries for 5 rows';
    for (const [rank, reason] of reasons.entries()) {
      const text = rank === 1 ? cause : `rank 1: ${cause}`;
      expect((reason as Error).message.slice(0, text.length)).toBe(text);
    }
    const reason = new Error('enough');
    const aborted = await reasonsOf(own, [undefined, undefined, AbortSignal.abort(reason)]);
    expect(aborted[2]).toBe(reason);
    expect(aborted[0]).toMatchObject({ code: 'ERR_DISTRIBUTED', message: 'rank 2: enough' });
    // They can go on together.
    expect(await ends(own)).toMatchObject([{ status: 'fulfilled' }, {}, { status: 'fulfilled' }]);
  });
});
