import { expect, test } from 'vitest';
import { asError } from '#softshard/workers/as-error.js';

test.each([[null], [undefined], [0], ['text'], [{ code: 1 }], [Object.create(null)]])(
  'a task that throws %s fails with an error (R14)',
  (thrown) => {
    expect(asError(thrown)).toBeInstanceOf(Error);
    expect(asError(thrown).message).toContain('threw');
  },
);

test('an error stays what it is', () => {
  const error = new RangeError('out of range');
  expect(asError(error)).toBe(error);
});
