// What the tests of checkpoints share: trains without a cut, with checkpoints, and from each of these on other engines.
import { expect } from 'vitest';
import { decodeCheckpoint, type Engine, encodeCheckpoint, type Training } from '#softshard/main/index.js';
import { bitsOf } from '../../../bits.js';

export type Resume = Pick<Training.FitOptions, 'checkpoint' | 'resumeFrom' | 'signal'>;

/** All numbers of what training gave but its times, and the bits of parameters. */
export const resultText = (result: object, ...parameters: (ArrayBufferView | undefined)[]): string =>
  [
    JSON.stringify(result, (name, value: unknown) => {
      if (['durationMs', 'rowsPerSecond', 'classifier', 'options'].includes(name)) return undefined;
      if (value instanceof Error) return value.message;
      return typeof value === 'number' ? bitsOf(value) : value;
    }),
    bitsOf(...parameters.map((each) => each ?? 0)),
  ].join('\n');

/** What it gives, as text, and what its callbacks tell. */
export type Train = (engine: Engine, told: string[], options: Resume) => Promise<string>;

export interface Cut {
  readonly engines: readonly Engine[];
  readonly everySteps?: number;
  readonly everySeconds?: number;
  /** At most so many of the checkpoints, evenly spread, are gone on from. */
  readonly most?: number;
}

/** Gives the checkpoints. */
export async function expectSameEnd(
  train: Train,
  { engines, most = 12, ...every }: Cut,
): Promise<readonly Training.Checkpoint[]> {
  const told: string[] = [];
  const wanted = await train(engines[0]!, told, {});
  const bytes: Uint8Array[] = [];
  const onCheckpoint = (checkpoint: Training.Checkpoint) => {
    bytes.push(encodeCheckpoint(checkpoint));
  };
  const toldBeside: string[] = [];
  const beside = await train(engines[1]!, toldBeside, { checkpoint: { ...every, onCheckpoint } });
  expect(beside, 'with checkpoints').toBe(wanted);
  expect(toldBeside.sort()).toEqual([...told].sort());
  expect(bytes.length).toBeGreaterThan(0);
  const stride = Math.ceil(bytes.length / most);
  for (let index = 0; index < bytes.length; index += stride) {
    const resumeFrom = decodeCheckpoint(bytes[index]!);
    const what = `checkpoint ${index} of ${bytes.length}, ${JSON.stringify(resumeFrom.position)}`;
    const toldAfter: string[] = [];
    const text = await train(engines[index % engines.length]!, toldAfter, { resumeFrom });
    expect(text, what).toBe(wanted);
    // What was told before is not told again.
    for (const each of toldAfter) expect(told, what).toContain(each);
    expect(new Set(toldAfter).size, what).toBe(toldAfter.length);
  }
  return bytes.map((each) => decodeCheckpoint(each));
}

/** Stops training when so many things were told, and goes on from the checkpoint that was made then. */
export async function expectStopLosesNothing(
  train: Train,
  engines: readonly Engine[],
  stops: readonly number[],
): Promise<void> {
  const told: string[] = [];
  const wanted = await train(engines[0]!, told, {});
  for (const [index, stop] of stops.entries()) {
    const abort = new AbortController();
    const toldBefore: string[] = [];
    toldBefore.push = (...texts) => {
      if (toldBefore.length + 1 === stop) abort.abort(new Error('stopped'));
      return Array.prototype.push.apply(toldBefore, texts);
    };
    const checkpoints: Training.Checkpoint[] = [];
    const onCheckpoint = (checkpoint: Training.Checkpoint, reason: Training.CheckpointReason) => {
      expect(reason).toBe('stopped');
      checkpoints.push(checkpoint);
    };
    const { signal } = abort;
    const stopped = train(engines[index % engines.length]!, toldBefore, {
      signal,
      checkpoint: { onCheckpoint },
    });
    await expect(stopped, `stop ${stop}`).rejects.toThrow('stopped');
    expect(checkpoints, `stop ${stop}`).toHaveLength(1);
    const toldAfter: string[] = [];
    const [resumeFrom] = checkpoints;
    const text = await train(engines[(index + 1) % engines.length]!, toldAfter, { resumeFrom: resumeFrom! });
    expect(text, `stop ${stop}`).toBe(wanted);
    // Each thing once, by the one training or by the other.
    expect([...toldBefore, ...toldAfter].sort(), `stop ${stop}`).toEqual([...told].sort());
  }
}
