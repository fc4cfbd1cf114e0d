import { expect, test } from 'vitest';
import {
  allowedCpus,
  placeWarnings,
  type RankPlace,
  threadsOf,
} from '#softshard/main/distributed/thread-shares.js';

const cpusOf = (first: number, count: number) => Array.from({ length: count }, (_, i) => first + i);
const place = (host: string, allowed: readonly number[] | undefined, cpus = 8): RankPlace => ({
  host,
  threads: allowed?.length ?? cpus,
  allowed,
  cpus,
});
const threads = (places: readonly RankPlace[]) => places.map((_, rank) => threadsOf(places, rank));

test('ranks of one machine share its CPUs, ranks of several have their own', () => {
  const all = cpusOf(0, 8);
  expect(threads([place('a', all)])).toEqual([8]);
  expect(threads(Array(3).fill(place('a', all)))).toEqual([2, 2, 2]);
  expect(threads([place('a', all), place('b', all), place('a', all)])).toEqual([4, 8, 4]);
  expect(threads(Array(9).fill(place('a', all)))).toEqual(Array(9).fill(1));
  expect(threads([place('a', undefined), place('a', undefined)])).toEqual([4, 4]);
});

test('a rank that is bound to CPUs of its own uses all of them', () => {
  expect(threads([place('a', cpusOf(0, 4)), place('a', cpusOf(4, 4))])).toEqual([4, 4]);
  expect(threads([place('a', cpusOf(0, 6)), place('a', cpusOf(4, 4))])).toEqual([5, 3]);
});

test('of a quota that is less than the CPUs, ranks take their part', () => {
  const limited = { ...place('a', cpusOf(0, 64), 64), threads: 4 };
  expect(threads([limited, limited])).toEqual([2, 2]);
});

test('ranks that are bound to one core each, or share CPUs, are told so', () => {
  const bound = [place('a 1', [0]), place('a 1', [1]), place('b 2', cpusOf(0, 8))];
  expect(placeWarnings(bound)).toEqual([
    expect.stringMatching(/on a, each of 2 ranks may use 1 CPU of the 8.*--bind-to none/),
  ]);
  expect(placeWarnings([place('a', [0], 2), place('a', [1], 2)])).toEqual([]);
  const crowded = Array(3).fill(place('a', [0, 1], 2));
  expect(placeWarnings(crowded)).toEqual([expect.stringContaining('3 ranks share 2 CPUs')]);
});

test('the list of CPUs is read as Linux writes it', () => {
  expect(allowedCpus('Name:\tnode\nCpus_allowed:\tff\nCpus_allowed_list:\t0-2,5\n')).toEqual([0, 1, 2, 5]);
  expect(allowedCpus('Name:\tnode\n')).toBeUndefined();
  expect(allowedCpus(undefined)).toBeUndefined();
});
