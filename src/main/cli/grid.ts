// Options that take several values: lists, ranges, and all their combinations.

import { CommanderError, InvalidArgumentError, Option } from 'commander';
import { quoted } from '../../printable.js';

type Values = (count: number) => readonly unknown[];

/** The values of an option: of a range, as many as `count`. */
export interface GridValues extends Values {
  /** As they were given, which a run keeps. */
  toJSON(): readonly string[];
}

/** Flags of one combination. */
export type Combination = Readonly<Record<string, unknown>>;

type Parse = (text: string) => unknown;

const RANGE = /^(.*?)\.\.(.*)$/;

/** Those that gridOption has made. */
const gridOptions = new WeakSet<Option>();
export const isGridOption = (option: Option): boolean => gridOptions.has(option);

/** The same option with lists ("0.1,1,10") and ranges ("1e-4..1e4") of its values; given again, it adds to them. */
export function gridOption(option: Option): Option {
  const { defaultValue } = option;
  const byDefault = defaultValue === undefined ? '' : ` (default: ${defaultValue})`;
  const grid = new Option(option.flags, option.description + byDefault);
  gridOptions.add(grid);
  const parse: Parse = (text) => (option.parseArg ? option.parseArg<unknown>(text, undefined) : text);
  if (option.argChoices) grid.argChoices = option.argChoices;
  return grid.argParser<GridValues | undefined>((text, previous) => {
    const added = valuesOf(text, parse);
    const values = previous === undefined ? added : (count: number) => [...previous(count), ...added(count)];
    const texts = [...(previous?.toJSON() ?? []), text];
    return Object.assign(values, { toJSON: () => texts });
  });
}

function valuesOf(text: string, parse: Parse): Values {
  // A value may have commas of its own.
  const whole = parsed(text, parse);
  if (whole !== undefined) return () => [whole.value];
  const parts = text.split(',').map((part) => partOf(part.trim(), parse));
  return (count) => parts.flatMap((part) => part(count));
}

function partOf(text: string, parse: Parse): Values {
  const range = RANGE.exec(text);
  if (range === null) {
    const value = parse(text);
    return () => [value];
  }
  const [from, to] = range.slice(1).map((end) => (end === '' ? undefined : parse(end)));
  if (typeof from !== 'number' || typeof to !== 'number') {
    throw new InvalidArgumentError(`A range has a number at each end, not ${quoted(text)}.`);
  }
  return (count) => [
    ...new Set(spread(from, to, count).map((value) => nearest(value, parse) ?? Math.round(value))),
  ];
}

/** In even ratios where both ends are above 0, else in even steps. */
function spread(from: number, to: number, count: number): number[] {
  if (count === 1) return [from];
  return Array.from({ length: count }, (_, index) => {
    if (index === count - 1) return to;
    const share = index / (count - 1);
    const value = from > 0 && to > 0 ? from * (to / from) ** share : from + share * (to - from);
    return Number(value.toPrecision(6));
  });
}

const nearest = (value: number, parse: Parse): unknown => parsed(String(value), parse)?.value;

function parsed(text: string, parse: Parse): { readonly value: unknown } | undefined {
  try {
    return { value: parse(text) };
  } catch (error) {
    if (error instanceof CommanderError) return undefined;
    throw error;
  }
}

/** The options that have several values, in the order given, and all combinations; the first option changes slowest. */
export function combinationsOf(
  flags: Readonly<Record<string, unknown>>,
  count: number,
): { readonly varied: readonly string[]; readonly combinations: readonly Combination[] } {
  const axes = Object.entries(flags).flatMap(([name, values]) =>
    isGrid(values) ? [{ name, values: values(count) }] : [],
  );
  let combinations: Combination[] = [{}];
  for (const { name, values } of axes) {
    combinations = combinations.flatMap((so) => values.map((value) => ({ ...so, [name]: value })));
  }
  return {
    varied: axes.filter(({ values }) => values.length > 1).map(({ name }) => name),
    combinations,
  };
}

const isGrid = (value: unknown): value is Values => typeof value === 'function';
