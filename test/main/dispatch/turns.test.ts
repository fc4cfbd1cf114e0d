// The line in front of the workers, without workers: who starts when, and on which seats.
import { describe, expect, test } from 'vitest';
import { HEAP_BASE } from '#softshard/kernels/layout.js';
import { NULL_PTR, type Ptr } from '#softshard/kernels/ptr.js';
import { Cancellation } from '#softshard/main/cancellation.js';
import { Gang, Turns } from '#softshard/main/dispatch/turns.js';
import { RandomStream } from '#softshard/main/training/random.js';
import { ControlWord, type GangContext, SEAT_BYTES, Stop } from '#softshard/workers/protocol.js';
import { softmaxJob } from './jobs.js';

const COUNT = 4;
const newTurns = (): Turns => new Turns(new SharedArrayBuffer((COUNT + 1) * SEAT_BYTES), NULL_PTR, COUNT);

interface Wanted {
  readonly isPatient?: boolean;
  readonly needsAll?: () => boolean;
  readonly output?: Ptr;
  readonly logits?: Ptr;
  readonly arrays?: readonly Ptr[];
  readonly isHere?: boolean;
}

/** Addresses that nothing else has. */
let nextPtr = HEAP_BASE;
const newPtr = (): Ptr => nextPtr++ as Ptr;

/** Of `members`; on memory of its own unless told otherwise. */
function newGang(members: number, wanted: Wanted = {}): Gang {
  const { isPatient = false, needsAll = () => false, arrays = [], isHere = false } = wanted;
  const { output = newPtr(), logits = newPtr() } = wanted;
  const job = softmaxJob(output, logits, 1);
  return new Gang({ job, arrays, members: () => members, needsAll, isPatient, isHere });
}

/** Those who have got their turn go on. */
const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn++) await Promise.resolve();
};

/** A line in which gangs tell when they have got their turn. */
class Line {
  readonly turns = newTurns();
  readonly started: string[] = [];
  readonly #gangs = new Map<string, Gang>();

  enter(name: string, gang: Gang, signal?: Cancellation): Promise<void> {
    this.#gangs.set(name, gang);
    return this.turns.wait(gang, signal).then(() => {
      this.started.push(name);
    });
  }

  async run(name: string, gang: Gang, yields = false): Promise<Gang> {
    await this.enter(name, gang);
    this.turns.begin(gang, yields);
    return gang;
  }

  async end(name: string): Promise<void> {
    this.turns.end(this.#gangs.get(name)!);
    await settled();
  }
}

const isAsked = ({ control }: Gang): boolean => Atomics.load(control, ControlWord.stop) === Stop.yield;

describe('a line of gangs', () => {
  test('small ones run side by side, each in seats of its own', async () => {
    const line = new Line();
    const gangs = [newGang(1), newGang(2), newGang(1)];
    await Promise.all(gangs.map((gang, index) => line.enter(`${index}`, gang)));
    const contexts = gangs.flatMap((gang) => gang.contexts());
    expect(new Set(contexts.map(({ groupScratch }) => groupScratch)).size).toBe(4);
    expect(new Set(contexts.map(({ control }) => control)).size).toBe(3);
    expect(contexts.map(({ member, members }) => [member, members])).toEqual([
      [0, 1],
      [0, 2],
      [1, 2],
      [0, 1],
    ]);
  });

  test('a large one at the head makes later small ones wait, though there are seats for them', async () => {
    const line = new Line();
    await line.enter('first', newGang(1));
    void line.enter('large', newGang(4));
    void line.enter('small', newGang(1));
    await settled();
    expect(line.started).toEqual(['first']);
    await line.end('first');
    expect(line.started).toEqual(['first', 'large']);
    await line.end('large');
    expect(line.started).toEqual(['first', 'large', 'small']);
  });

  test('a stream of small ones starves no large one, nor a stream of large ones a small one', async () => {
    for (const [stream, single] of [
      [1, 4],
      [4, 1],
    ] as const) {
      const line = new Line();
      let count = 0;
      const enter = () => void line.enter(`stream ${count++}`, newGang(stream));
      for (let i = 0; i < COUNT + 2; i++) enter();
      void line.enter('single', newGang(single));
      const before = count;
      for (let ended = 0; !line.started.includes('single'); ended++) {
        expect(ended).toBeLessThan(before);
        enter();
        await line.end(`stream ${ended}`);
      }
      expect(line.started).toHaveLength(before + 1);
    }
  });

  test('what the calling thread does itself starts at once, in a seat of its own', async () => {
    const line = new Line();
    const all = await line.run('all', newGang(4), true);
    void line.enter('next', newGang(4));
    const here = newGang(1, { isHere: true });
    await line.enter('here', here);
    expect(line.started).toEqual(['all', 'here']);
    const [{ groupScratch }] = here.contexts() as [GangContext];
    expect(all.contexts().map((other) => other.groupScratch)).not.toContain(groupScratch);
    await line.end('here');
    expect(line.started).toEqual(['all', 'here']);
    await line.end('all');
    expect(line.started).toEqual(['all', 'here', 'next']);
  });

  test('but not beside one that writes what it reads: that one gives way, if it yields', async () => {
    const line = new Line();
    const output = newPtr();
    const writer = await line.run('writer', newGang(2, { output }), true);
    void line.enter('here', newGang(1, { isHere: true, logits: output }));
    await settled();
    expect(line.started).toEqual(['writer']);
    expect(isAsked(writer)).toBe(true);
    await line.end('writer');
    expect(line.started).toEqual(['writer', 'here']);
  });

  test('one that is aborted at the head lets those behind it start', async () => {
    const line = new Line();
    const signal = new Cancellation();
    await line.enter('first', newGang(1));
    const large = line.enter('large', newGang(4), signal);
    const small = line.enter('small', newGang(3));
    signal.abort('enough');
    await expect(large).rejects.toBe('enough');
    await small;
    expect(line.started).toEqual(['first', 'small']);
  });

  test('one that must have all seats gives back those it does not need', async () => {
    const line = new Line();
    let isLost = true;
    const gang = newGang(1, { needsAll: () => isLost });
    await line.enter('first', gang);
    void line.enter('second', newGang(1));
    expect(gang.contexts(COUNT)).toHaveLength(COUNT);
    isLost = false;
    line.turns.shrink(gang);
    await Promise.resolve();
    expect(gang.contexts(COUNT)).toHaveLength(1);
    expect(line.started).toEqual(['first', 'second']);
  });
});

describe('jobs on the same memory', () => {
  const [a, b, c] = [newPtr(), newPtr(), newPtr()];
  test.each([
    ['reads what another writes', { output: a, logits: b }, { output: c, logits: a }, ['one']],
    ['writes what another reads', { output: a, logits: b }, { output: b, logits: c }, ['one']],
    ['writes what another writes', { output: a, logits: b }, { output: a, logits: c }, ['one']],
    ['writes what another reads a part of', { output: a, arrays: [c] }, { output: c, logits: b }, ['one']],
    ['reads a part of what another writes', { output: c, logits: b }, { output: a, arrays: [c] }, ['one']],
    ['reads what another reads', { output: a, logits: b }, { output: c, logits: b }, ['one', 'two']],
  ])('one that %s', async (_, first, second, started) => {
    const line = new Line();
    await line.enter('one', newGang(1, first));
    void line.enter('two', newGang(1, second));
    await Promise.resolve();
    expect(line.started).toEqual(started);
    await line.end('one');
    expect(line.started).toEqual(['one', 'two']);
  });
});

describe('gangs that yield', () => {
  test('give way to one that is not patient, as few of them as it needs', async () => {
    const line = new Line();
    const running = [];
    for (let i = 0; i < COUNT; i++)
      running.push(await line.run(`${i}`, newGang(1, { isPatient: true }), true));
    void line.enter('call', newGang(2));
    expect(running.map(isAsked)).toEqual([true, true, false, false]);
  });

  test('need not give way where there are seats', async () => {
    const line = new Line();
    const gang = await line.run('training', newGang(3, { isPatient: true }), true);
    await line.enter('call', newGang(1));
    expect(isAsked(gang)).toBe(false);
  });

  test('give way to patient ones when they are looked after', async () => {
    const line = new Line();
    const gang = await line.run('training', newGang(4, { isPatient: true }), true);
    void line.enter('other training', newGang(1, { isPatient: true }));
    expect(isAsked(gang)).toBe(false);
    line.turns.lookAfter(gang);
    expect(isAsked(gang)).toBe(true);
  });

  test('give way as soon as they begin where one that is not patient waits behind them', async () => {
    const line = new Line();
    await line.enter('first', newGang(4));
    const gang = newGang(4, { isPatient: true });
    void line.run('training', gang, true);
    void line.enter('call', newGang(1));
    await line.end('first');
    expect(isAsked(gang)).toBe(true);
  });

  test('give way to a call that writes what they read', async () => {
    const line = new Line();
    const rows = newPtr();
    const gang = await line.run('training', newGang(1, { isPatient: true, logits: rows }), true);
    void line.enter('call', newGang(1, { output: rows }));
    expect(isAsked(gang)).toBe(true);
  });
});

test('any order of gangs, ends and aborts keeps seats apart, the line in order, and all seats at the end', async () => {
  for (let seed = 0; seed < 50; seed++) {
    const random = new RandomStream(seed, 0);
    const line = new Line();
    const running = new Map<string, Gang>();
    const aborted = new Set<string>();
    const waiting = new Map<string, Cancellation>();
    const names: string[] = [];
    for (let i = 0; i < 60; i++) {
      const choice = random.below(5);
      const [oldest] = running.keys();
      if (choice < 2 || (choice < 4 && oldest === undefined)) {
        const name = `${i}`;
        const gang = newGang(1 + random.below(COUNT), { isPatient: random.below(2) === 0 });
        const signal = new Cancellation();
        names.push(name);
        waiting.set(name, signal);
        line.enter(name, gang, signal).then(
          () => {
            waiting.delete(name);
            running.set(name, gang);
            line.turns.begin(gang, random.below(2) === 0);
          },
          () => aborted.add(name),
        );
      } else if (choice < 4) {
        running.delete(oldest!);
        await line.end(oldest!);
      } else {
        const [name, signal] = [...waiting].at(random.below(waiting.size + 1)) ?? [];
        signal?.abort('enough');
        if (name !== undefined) waiting.delete(name);
      }
      await settled();
      const seats = [...running.values()].flatMap((gang) => gang.seats);
      expect(new Set(seats).size).toBe(seats.length);
    }
    while (running.size > 0) {
      const [name] = running.keys();
      running.delete(name!);
      await line.end(name!);
    }
    expect(line.started).toEqual(names.filter((name) => !aborted.has(name)));
    const all = newGang(COUNT);
    await line.enter('all', all);
    expect(all.seats.toSorted()).toEqual(
      Array.from({ length: COUNT }, (_, seat) => seat * SEAT_BYTES).toSorted(),
    );
  }
});
