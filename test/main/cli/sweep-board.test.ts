// Event files of a sweep that goes on: TensorBoard shows what it shows of one that was never cut off.
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Progress } from '#softshard/main/cli/progress.js';
import { SweepBoard } from '#softshard/main/cli/tensorboard.js';
import { type Engine, fitMany, type Training } from '#softshard/main/index.js';
import { sharedEngines } from '../../engines.js';
import { scalarsOf } from '../report/event-files.js';
import { clusters } from '../training/workbench.js';

const engineFor = sharedEngines();
let engine: Engine;
beforeAll(async () => {
  engine = await engineFor({ threads: 2, numerics: 'portable' });
});

const folder = mkdtempSync(join(tmpdir(), 'softshard-board-'));
afterAll(() => rmSync(folder, { recursive: true }));

const [features, classes] = [6, 3];
const { inputs, targets } = clusters(120, features, classes, 3);

const STEPS = [0.1, 0.01, 0.001].map((learningRate) => ({ learningRate, epochs: 4, batchSize: 20 }));
const SOLVERS = [0.1, 1, 10].map((C) => ({ C }));

async function sweep(
  name: string,
  heads: readonly Training.HeadOptions[],
  options: Training.FitManyOptions,
): Promise<void> {
  const progress = { warn: (text: string) => expect.unreachable(text) } as unknown as Progress;
  const board = new SweepBoard(join(folder, name), heads as readonly Record<string, unknown>[], progress);
  await fitMany(engine, inputs, targets, heads, {
    features,
    classes,
    refit: false,
    ...board.flushing(options),
    onHeadProgress: (report) => board.progress(report),
    onHeadEnd: (report) => board.head(report),
  }).finally(() => board.end());
}

/** Of all folders of a board, by tag. */
function curvesOf(name: string): Record<string, [step: number, value: number][]> {
  const root = join(folder, name);
  const folders = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((path) =>
    statSync(join(root, path)).isDirectory(),
  );
  return Object.fromEntries(
    folders.flatMap((path) =>
      [...scalarsOf(join(root, path))].map(([tag, points]) => [`${path} ${tag}`, points]),
    ),
  );
}

describe('a sweep that goes on has each point once, wherever it was cut off', () => {
  test.each<[string, readonly Training.HeadOptions[], Training.FitManyOptions]>([
    ['of steps', STEPS, { validationSplit: 0.2 }],
    ['of steps in parts', STEPS, { cv: 5 }],
    ['of solvers', SOLVERS, { validationSplit: 0.2 }],
    ['of solvers in parts', SOLVERS, { cv: 5 }],
    ['by halving', STEPS, { halving: 2, cv: 3 }],
  ])('%s', async (name, heads, options) => {
    const checkpoints: Training.Checkpoint[] = [];
    const checkpoint = {
      everySeconds: 0,
      onCheckpoint: (each: Training.Checkpoint) => void checkpoints.push(structuredClone(each)),
    };
    await sweep(`${name}, whole`, heads, { ...options, checkpoint });
    const wanted = curvesOf(`${name}, whole`);
    const parts = options.cv ?? 1;
    expect(Object.keys(wanted).filter((key) => key.endsWith('part/loss'))).toHaveLength(
      parts > 1 ? heads.length : 0,
    );
    expect(checkpoints.length).toBeGreaterThan(3);
    const stride = Math.ceil(checkpoints.length / 12);
    for (let index = 0; index < checkpoints.length; index += stride) {
      // It was killed at its very end, long after the checkpoint.
      const again = `${name}, ${index}`;
      await sweep(again, heads, options);
      await sweep(again, heads, { ...options, resumeFrom: checkpoints[index] });
      const found = curvesOf(again);
      const what = `checkpoint ${index} of ${checkpoints.length}`;
      expect(Object.keys(found).sort(), what).toEqual(Object.keys(wanted).sort());
      for (const [key, points] of Object.entries(wanted)) {
        expect(found[key], `${what}: ${key}`).toEqual(points);
      }
    }
  });
});
