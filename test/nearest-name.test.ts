import { expect, test } from 'vitest';
import { didYouMean, nearestName } from '#softshard/nearest-name.js';

const NAMES = ['temperature', 'reduction', 'labelSmoothing', 'axis', 'C'];

test.each([
  ['temprature', 'temperature'],
  ['reductoin', 'reduction'],
  ['labelsmoothing', 'labelSmoothing'],
  ['axes', 'axis'],
  ['c', 'C'],
  ['Axis', 'axis'],
  ['weightDecay', undefined],
  ['xyzw', undefined],
  ['', undefined],
])('%j is probably meant to be %j', (name, meant) => {
  expect(nearestName(name, NAMES)).toBe(meant);
});

test('the nearest of several names wins, and of equals the first', () => {
  expect(nearestName('--validation-dat', ['--validation-labels', '--validation-data'])).toBe(
    '--validation-data',
  );
  expect(nearestName('bet', ['best', 'beta'])).toBe('best');
  expect(didYouMean('temp', NAMES)).toBe('');
  expect(didYouMean('axsi', NAMES)).toBe(' (did you mean axis?)');
});
