import { describe, expect, it } from 'vitest';
import { defaultThreads, PARTS, parseOptions } from '../../bench/options.js';
import { PEERS, parsePeerOptions } from '../../bench/peers/options.js';

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
  it('are ascending thread counts without repetition, a filter in lower case, all parts', () => {
    const options = parseOptions(['--threads', '4,1,4', '--numerics', 'portable', '--filter', 'IN Place']);
    expect(options).toEqual({
      threads: [1, 4],
      numerics: ['portable'],
      filter: 'in place',
      quick: false,
      parts: PARTS,
      add: false,
      json: undefined,
    });
  });

  it.each([
    [['--threads', '0'], '--threads 0'],
    [['--threads', '1;2'], '--threads 1;2'],
    [['--numerics', 'exact'], '--numerics exact'],
    [['--only', 'machine,peers'], '--only peers: give one or more of latency, machine, operations'],
    [['--fast'], '--fast'],
  ])('%j is refused, named', (args, message) => {
    expect(() => parseOptions(args)).toThrow(message);
  });
});

describe('the options of npm run bench:peers', () => {
  it('take one or more batch sizes, at least 1, and names of comparisons', () => {
    expect(parsePeerOptions(['--batch', '128,1024'])?.batches).toEqual([128, 1024]);
    expect(parsePeerOptions(['--only', 'step,rows'])?.only).toEqual(['step', 'rows']);
    expect(() => parsePeerOptions(['--batch', '0'])).toThrow('--batch 0');
    expect(() => parsePeerOptions(['--only', 'mnist'])).toThrow('--only mnist');
  });

  it('choose peers, and no Python by default: an environment is made for them', () => {
    expect(parsePeerOptions([])).toMatchObject({ peers: PEERS, python: undefined, rounds: 5, quick: false });
    expect(parsePeerOptions(['--peers', 'sklearn,c-limit'])?.peers).toEqual(['sklearn', 'c-limit']);
    expect(() => parsePeerOptions(['--peers', 'jax'])).toThrow('--peers jax');
  });

  it('of a quick run are one round on the bundled images', () => {
    const { rounds, batches, data } = parsePeerOptions(['--quick'])!;
    expect({ rounds, batches }).toEqual({ rounds: 1, batches: [1024] });
    expect(data).toMatch(/examples\/fashion-mnist$/);
  });
});
