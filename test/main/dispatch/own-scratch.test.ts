// What the calling thread computes must not touch the seats of workers, which other gangs have meanwhile: two jobs at once gave
// wrong losses of held-out rows, once in some hundred thousand calls.
import { expect, test } from 'vitest';
import { offsetBy } from '#softshard/kernels/ptr.js';
import { resourcesOf } from '#softshard/main/dispatch/resources.js';
import { Engine } from '#softshard/main/index.js';
import { SEAT_BYTES } from '#softshard/workers/protocol.js';
import { randomValues } from '../../kernels/workbench.js';

const [THREADS, ROWS, COLUMNS] = [3, 64, 4];

test('rows of few columns that the calling thread computes, as a tiny job or not, leave the seats of workers alone', async () => {
  await using engine = await Engine.create({ threads: THREADS });
  const { arena, kernels, seats } = resourcesOf(engine);
  const logits = engine.matrix(ROWS, COLUMNS);
  logits.data.set(randomValues(ROWS * COLUMNS, 4, 1));
  const output = engine.matrix(ROWS, COLUMNS);
  const inSeats = arena.view('int32', seats, (THREADS * SEAT_BYTES) / 4);
  const ownSeat = arena.view('int32', offsetBy(seats, THREADS * SEAT_BYTES), SEAT_BYTES / 4);
  const before = ownSeat.slice();
  inSeats.fill(-1);
  // A tiny job.
  await engine.softmax(logits, { into: output });
  const expected = output.data.slice();
  expect(ownSeat).not.toEqual(before);
  expect(inSeats.every((word) => word === -1)).toBe(true);
  kernels.softmaxRows(
    output.data.byteOffset as never,
    logits.data.byteOffset as never,
    ROWS,
    COLUMNS,
    COLUMNS,
  );
  expect(output.data).toEqual(expected);
  expect(inSeats.every((word) => word === -1)).toBe(true);
  inSeats.fill(0);
});
