// Work that ranks do together: what one of them cannot do, none does.
import { setTimeout } from 'node:timers/promises';
import { deserialize, serialize } from 'node:v8';
import { SoftshardError } from '../../errors.js';
import type { Transport } from './transport.js';

/** What ranks have agreed to end with: none of them needs to be told. */
const agreedEnds = new WeakMap<Transport, { readonly reason: unknown }>();

export const agreeToEnd = (transport: Transport, reason: unknown): void => {
  agreedEnds.set(transport, { reason });
};

/** An error on this rank rejects on all. */
export async function together<Result>(transport: Transport, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    const agreed = agreedEnds.get(transport);
    if (agreed === undefined || !Object.is(agreed.reason, error)) await transport.fail(error);
    throw error;
  }
}

/** Undefined where there are no others. */
export const withOthers = (transport: Transport | undefined): Transport | undefined =>
  transport === undefined || transport.ranks === 1 ? undefined : transport;

/** `together` with the others, if there are any. */
export const togetherWithOthers = <Result>(
  transport: Transport | undefined,
  work: () => Promise<Result>,
): Promise<Result> => {
  const others = withOthers(transport);
  return others === undefined ? work() : together(others, work);
};

/** Throws ERR_OPTION where several ranks work together. */
export function checkOneRank(what: string, transport: Transport | undefined): void {
  if (withOthers(transport) === undefined) return;
  const message = `${what} works in one process: call it on an engine of its own, without options.distributed`;
  throw new SoftshardError('ERR_OPTION', message, { argument: 'options.distributed' });
}

const busy = new WeakSet<Transport>();

/**
 * Work in which ranks talk to each other all along, as training does: two of them at a time would take each other's words. Throws
 * ERR_BUSY.
 */
export async function togetherAlone<Result>(
  what: string,
  given: Transport | undefined,
  work: () => Promise<Result>,
): Promise<Result> {
  const transport = withOthers(given);
  if (transport === undefined) return work();
  if (busy.has(transport)) {
    // All ranks find this, as they make the same calls.
    const message = `${what} is called while ranks make another such call together: await that one (fit, fitMany, partialFit, allGatherRows) before it`;
    throw new SoftshardError('ERR_BUSY', message);
  }
  busy.add(transport);
  try {
    return await together(transport, work);
  } finally {
    busy.delete(transport);
    agreedEnds.delete(transport);
  }
}

/** What all ranks have, in their order: plain objects and typed arrays, with the bits of their numbers. */
export async function allGatherValues<Value>(transport: Transport, value: Value): Promise<Value[]> {
  const all = await transport.allGather(serialize(value));
  return all.map((bytes) => deserialize(bytes) as Value);
}

export type Facts = Readonly<Record<string, string | number | boolean | undefined>>;

/** Throws ERR_DISTRIBUTED, on all ranks, where one has other facts than the others. */
export async function checkSame(
  transport: Transport,
  what: string,
  own: Facts,
  remedy: string,
): Promise<void> {
  checkAlike(what, await allGatherValues(transport, own), remedy);
}

/** `all`: the facts of each rank. */
export function checkAlike(what: string, all: readonly Facts[], remedy: string): void {
  const names = new Set(all.flatMap(Object.keys));
  for (const name of names) {
    const values = all.map((facts) => facts[name]);
    const usual = mostFrequent(values);
    const rank = values.findIndex((value) => !Object.is(value, usual));
    if (rank < 0) continue;
    const other = values.findIndex((value) => Object.is(value, usual));
    const message = `${what}: ${name} is ${values[rank]} on rank ${rank}, and ${usual} on rank ${other}: ${remedy}`;
    throw new SoftshardError('ERR_DISTRIBUTED', message, { argument: name, value: values[rank] });
  }
}

/** Of equals, the first. */
function mostFrequent<Value>(values: readonly Value[]): Value | undefined {
  const count = (value: Value) => values.filter((other) => Object.is(other, value)).length;
  return values.reduce((best, value) => (count(value) > count(best) ? value : best), values[0]!);
}

/** Far below any watchdog that leaves time to compute. */
const STILL_MS = 500;

/**
 * What rank 0 does for all, while the others wait however long it takes: none of them is lost, as their watchdogs see. They get what
 * `told` makes of the result. An error rejects on all.
 */
export async function byRank0<Result>(
  transport: Transport,
  work: () => Promise<Result>,
  told: (result: Result) => Uint8Array,
): Promise<{ readonly own: Result } | { readonly told: Uint8Array }> {
  if (transport.rank > 0) {
    let bytes: Uint8Array;
    do bytes = await transport.broadcast(undefined);
    while (bytes.length === 0);
    return { told: bytes.subarray(1) };
  }
  return together(transport, async () => {
    let isDone = false;
    const own = work().finally(() => {
      isDone = true;
    });
    own.catch(() => {});
    while (!isDone) {
      const timer = new AbortController();
      await Promise.race([own, setTimeout(STILL_MS, undefined, { signal: timer.signal }).catch(() => {})]);
      timer.abort();
      if (!isDone) await transport.broadcast(new Uint8Array());
    }
    const result = await own;
    const bytes = told(result);
    const message = new Uint8Array(1 + bytes.length);
    message.set(bytes, 1);
    await transport.broadcast(message);
    return { own: result };
  });
}
