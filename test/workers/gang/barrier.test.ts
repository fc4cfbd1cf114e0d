import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { HEAP_BASE } from '#softshard/kernels/layout.js';
import type { Ptr } from '#softshard/kernels/ptr.js';
import { Barrier } from '#softshard/workers/gang/barrier.js';
import { ControlWord, controlWords, failGang, Stop } from '#softshard/workers/protocol.js';

/** Where the control words lie. */
const CONTROL = 64 as Ptr;

const MEMBER = `
  const { workerData } = require('node:worker_threads');
  (async () => {
    const { Barrier } = await import(workerData.barrierUrl);
    const control = new Int32Array(workerData.buffer, 64, 80);
    const tallies = new Int32Array(workerData.buffer, 4096);
    const barrier = new Barrier(control, workerData.members, workerData.spins);
    let rounds = 0;
    // Without the barrier a fast member would add to the next round's tally before the others' are counted.
    while (rounds < workerData.rounds) {
      Atomics.add(tallies, rounds, 1);
      const whole = () => { if (Atomics.load(tallies, rounds) !== workerData.members) Atomics.add(tallies, workerData.rounds, 1); };
      if (!barrier.wait(whole)) break;
      rounds++;
    }
    require('node:worker_threads').parentPort.postMessage(rounds);
  })();
`;

function startMembers(
  buffer: SharedArrayBuffer,
  members: number,
  rounds: number,
  spins: number,
  start = members,
) {
  const barrierUrl = new URL('../../../dist/workers/gang/barrier.js', import.meta.url).href;
  return Array.from({ length: start }, () => {
    const worker = new Worker(MEMBER, {
      eval: true,
      workerData: { barrierUrl, buffer, members, rounds, spins },
    });
    return new Promise<number>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
  });
}

describe('Barrier', () => {
  test.each([
    [1, 0],
    [2, 4000],
    [3, 0],
    [8, 100],
  ])(
    '%i members (%i spins) finish 500 rounds, each complete before the next begins',
    async (members, spins) => {
      const rounds = 500;
      const buffer = new SharedArrayBuffer(HEAP_BASE);
      expect(await Promise.all(startMembers(buffer, members, rounds, spins))).toEqual(
        Array(members).fill(rounds),
      );
      const tallies = new Int32Array(buffer, 4096);
      expect([...tallies.subarray(0, rounds)]).toEqual(Array(rounds).fill(members));
      expect(tallies[rounds]).toBe(0);
    },
  );

  test('failGang lets members go that wait for one that never comes, and those that come later', async () => {
    const buffer = new SharedArrayBuffer(HEAP_BASE);
    const control = controlWords(buffer, CONTROL);
    const waiting = startMembers(buffer, 4, 10, 0, 2);
    while (Atomics.load(control, ControlWord.arrived) < 2)
      await new Promise((resolve) => setTimeout(resolve, 5));
    failGang(control);
    expect(await Promise.all(waiting)).toEqual([0, 0]);
    expect(await Promise.all(startMembers(buffer, 4, 10, 0, 1))).toEqual([0]);
    expect(Atomics.load(control, ControlWord.stop)).toBe(Stop.failed);
  });

  test('those who wait do something meanwhile, the last one does not', async () => {
    const buffer = new SharedArrayBuffer(HEAP_BASE);
    const control = controlWords(buffer, CONTROL);
    const waiting = new Barrier(control, 2, 1_000_000);
    const last = startMembers(buffer, 2, 1, 0, 1);
    let calls = 0;
    expect(
      waiting.wait(
        () => {},
        () => calls++,
      ),
    ).toBe(true);
    expect(calls).toBeGreaterThan(0);
    expect(await Promise.all(last)).toEqual([1]);

    const alone = new Barrier(controlWords(new SharedArrayBuffer(HEAP_BASE), CONTROL), 1, 1_000_000);
    expect(
      alone.wait(
        () => {},
        () => calls--,
      ),
    ).toBe(true);
    expect(calls).toBeGreaterThan(0);
  });

  test('the last member runs the completion once, before wait returns', () => {
    const control = controlWords(new SharedArrayBuffer(HEAP_BASE), CONTROL);
    const barrier = new Barrier(control, 1, 0);
    let completions = 0;
    expect(barrier.wait(() => completions++)).toBe(true);
    expect(barrier.wait(() => completions++)).toBe(true);
    expect(completions).toBe(2);
  });
});
