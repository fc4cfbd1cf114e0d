// Goes through what gives its items one after the other, at the pace at which they are used: iterables, asynchronous ones, streams.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { SoftshardError } from '../../errors.js';
import { type Cancellation, unlessAborted } from '../cancellation.js';
import { inspectValue } from '../checks.js';

/** A Web stream, also of libraries whose streams are not iterable. */
export interface WebStream<Item> {
  getReader(): {
    read(): Promise<{ done: boolean; value?: Item | undefined }>;
    cancel(reason?: unknown): Promise<void>;
  };
}

export type ItemSource<Item> = Iterable<Item> | AsyncIterable<Item> | WebStream<Item>;

/** For so long no other event has its turn. */
const SLICE_MS = 20;

const hasFunction = (value: object, name: string | symbol): boolean =>
  typeof Reflect.get(value, name) === 'function';

export const isItemSource = (value: unknown): value is ItemSource<unknown> =>
  typeof value === 'object' &&
  value !== null &&
  (hasFunction(value, Symbol.asyncIterator) ||
    hasFunction(value, Symbol.iterator) ||
    hasFunction(value, 'getReader'));

interface Items {
  next(): unknown;
  /** Called where not all items are wanted. */
  end(reason: unknown): unknown;
}

function itemsOf(argument: string, source: ItemSource<unknown>): Items {
  if ('getReader' in source) {
    const reader = source.getReader();
    return { next: () => reader.read(), end: (reason) => reader.cancel(reason) };
  }
  checkObjectMode(argument, source);
  const iterator: Iterator<unknown> | AsyncIterator<unknown> =
    Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  return {
    next: () => iterator.next(),
    // return() of a stream's iterator would wait for the item that is under way.
    end: () =>
      'destroy' in source && hasFunction(source, 'destroy') ? callDestroy(source) : iterator.return?.(),
  };
}

const callDestroy = (stream: object): unknown => Reflect.apply(Reflect.get(stream, 'destroy'), stream, []);

/** A stream of bytes or text has no rows. */
function checkObjectMode(argument: string, source: object): void {
  if (!('readableObjectMode' in source) || source.readableObjectMode !== false) return;
  const message = `${argument} is a stream of bytes: read a file with readFeatures(engine, path), or pipe it through a parser whose stream gives records (objectMode)`;
  throw new SoftshardError('ERR_TYPE', message, { argument });
}

/**
 * Calls `visit` for each item. The next one is asked for when the one before has been visited. Rejects with what the source or
 * visit throws, or when aborted, and tells the source that it is not needed any more.
 */
export async function forEachItem(
  argument: string,
  source: ItemSource<unknown>,
  cancellations: readonly Cancellation[],
  visit: (item: unknown) => void,
): Promise<void> {
  for (const each of cancellations) each.throwIfAborted();
  const items = itemsOf(argument, source);
  let sourceFailed = false;
  let turnBegan = performance.now();
  try {
    for (;;) {
      sourceFailed = true;
      const given = items.next();
      const result = isPromise(given)
        ? await waitFor(given, cancellations, () => (sourceFailed = false))
        : given;
      sourceFailed = false;
      const { done, value } = stepOf(argument, result);
      if (done) return;
      visit(value);
      if (performance.now() - turnBegan < SLICE_MS) continue;
      await nextTurn();
      for (const each of cancellations) each.throwIfAborted();
      turnBegan = performance.now();
    }
  } catch (error) {
    if (!sourceFailed) await end(items, error, cancellations);
    throw error;
  }
}

const isPromise = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && hasFunction(value, 'then');

async function waitFor(
  promise: PromiseLike<unknown>,
  cancellations: readonly Cancellation[],
  onAbort: () => void,
): Promise<unknown> {
  let result: unknown;
  const settled = Promise.resolve(promise).then((value) => {
    result = value;
  });
  try {
    await unlessAborted(settled, cancellations);
  } catch (error) {
    if (cancellations.some(({ aborted }) => aborted)) onAbort();
    throw error;
  }
  return result;
}

function stepOf(argument: string, result: unknown): { readonly done: boolean; readonly value: unknown } {
  if (typeof result === 'object' && result !== null) {
    return { done: Boolean(Reflect.get(result, 'done')), value: Reflect.get(result, 'value') };
  }
  const message = `${argument} has an iterator that gives ${inspectValue(result)}: next() must give { done, value }`;
  throw new SoftshardError('ERR_TYPE', message, { argument, value: result });
}

/** What the source says to it does not matter any more. */
async function end(items: Items, reason: unknown, cancellations: readonly Cancellation[]): Promise<void> {
  try {
    const ended = items.end(reason);
    if (isPromise(ended)) await waitFor(ended, cancellations, () => {});
  } catch {
    // There is an error already that says more.
  }
}
