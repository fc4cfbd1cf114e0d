import { describe, expect, it } from 'vitest';
import { defaultThreads, parseOptions } from '../../bench/options.js';
import { parsePeerOptions } from '../../bench/peers/options.js';

describe('the default thread counts', () => {
  it.each([
    [1, [1]],
    [2, [1, 2]],
    [6, [1, 2, 4, 6]],
    [8, [1, 2, 4, 8]],
  ])('on %d cores are %j', (cores, threads) => {
    expect(defaultThreads(cores)).toEqual(threads);
  });
});

describe('the options of npm run bench', () => {
  it('are ascending thread counts without repetition, a filter in lower case', () => {
    const options = parseOptions(['--threads', '4,1,4', '--numerics', 'portable', '--filter', 'IN Place']);
    expect(options).toEqual({
      threads: [1, 4],
      numerics: ['portable'],
      filter: 'in place',
      quick: false,
      json: undefined,
    });
  });

  it.each([
    [['--threads', '0'], '--threads 0'],
    [['--threads', '1;2'], '--threads 1;2'],
    [['--numerics', 'exact'], '--numerics exact'],
    [['--fast'], '--fast'],
  ])('%j is refused, named', (args, message) => {
    expect(() => parseOptions(args)).toThrow(message);
  });
});

describe('the options of npm run bench:peers', () => {
  it('take one or more batch sizes, at least 1', () => {
    expect(parsePeerOptions(['--batch', '128,1024'])?.batches).toEqual([128, 1024]);
    expect(() => parsePeerOptions(['--batch', '0'])).toThrow('--batch 0');
    expect(() => parsePeerOptions(['--only', 'mnist'])).toThrow('--only mnist');
  });
});
