// What cancels a call. The caller's signal may be of any make (jsdom's, a polyfill's, another realm's) and throw wherever it is
// touched; all that waits or runs looks at an object of our own instead, of which nothing throws.
import { messageOf, SoftshardError } from '../errors.js';

export class Cancellation {
  #listeners: Set<() => void> | undefined;
  #isAborted = false;
  #reason: unknown;

  get aborted(): boolean {
    return this.#isAborted;
  }

  get reason(): unknown {
    return this.#reason;
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }

  /** Calls it once, when aborted: at once, where it is already. It must not throw. */
  addListener(listener: () => void): void {
    this.#listeners ??= new Set();
    if (this.aborted) listener();
    else this.#listeners.add(listener);
  }

  removeListener(listener: () => void): void {
    this.#listeners?.delete(listener);
  }

  /** Only the first reason counts. */
  abort(reason: unknown): void {
    if (this.#isAborted) return;
    this.#isAborted = true;
    this.#reason = reason;
    const listeners = [...(this.#listeners ?? [])];
    this.#listeners?.clear();
    for (const listener of listeners) listener();
  }

  protected get isHeard(): boolean {
    return this.#listeners !== undefined && this.#listeners.size > 0;
  }
}

/**
 * Waits for a promise, but only until one of these is aborted: then throws its reason, whatever becomes of the promise.
 */
export async function unlessAborted(
  promise: void | Promise<void>,
  cancellations: readonly Cancellation[],
): Promise<void> {
  let stop = () => {};
  const stopped = new Promise<void>((resolve) => {
    stop = resolve;
  });
  for (const each of cancellations) each.addListener(stop);
  try {
    await Promise.race([promise, stopped]);
  } finally {
    for (const each of cancellations) each.removeListener(stop);
    for (const each of cancellations) each.throwIfAborted();
  }
}

/** By a caller's signal, for one call. */
class CallersCancellation extends Cancellation {
  readonly #signal: AbortSignal;

  constructor(signal: AbortSignal) {
    super();
    this.#signal = signal;
  }

  override get aborted(): boolean {
    if (!super.aborted && this.touch((signal) => signal.aborted) === true) this.take();
    return super.aborted;
  }

  override addListener(listener: () => void): void {
    super.addListener(listener);
    if (this.isHeard) listenTo(this.#signal, this);
  }

  override removeListener(listener: () => void): void {
    super.removeListener(listener);
    if (!this.isHeard) leave(this.#signal, this);
  }

  override abort(reason: unknown): void {
    super.abort(reason);
    leave(this.#signal, this);
  }

  /** The signal is aborted. */
  take(): void {
    const reason = this.touch((signal) => signal.reason);
    // Old polyfills have none.
    this.abort(reason === undefined ? new DOMException('The operation was aborted', 'AbortError') : reason);
  }

  /** A signal that throws cancels what it was given to, with an error that says so. */
  touch<Value>(use: (signal: AbortSignal) => Value): Value | undefined {
    try {
      return use(this.#signal);
    } catch (cause) {
      const message = `options.signal throws where it is used (${messageOf(cause)}): pass a working AbortSignal`;
      this.abort(new SoftshardError('ERR_OPTION', message, { argument: 'options.signal', cause }));
      return undefined;
    }
  }
}

interface Hearing {
  readonly calls: Set<CallersCancellation>;
  readonly listener: () => void;
}

/** Signals that are listened to: however many calls a signal was given to, it has one listener, and none when they have ended. */
const heard = new Map<AbortSignal, Hearing>();

const ONCE = { once: true } as const;

function listenTo(signal: AbortSignal, call: CallersCancellation): void {
  const there = heard.get(signal);
  if (there !== undefined) {
    there.calls.add(call);
    return;
  }
  const calls = new Set([call]);
  const listener = () => {
    for (const each of [...calls]) each.take();
  };
  heard.set(signal, { calls, listener });
  call.touch(() => signal.addEventListener('abort', listener, ONCE));
}

function leave(signal: AbortSignal, call: CallersCancellation): void {
  const hearing = heard.get(signal);
  if (hearing === undefined || !hearing.calls.delete(call) || hearing.calls.size > 0) return;
  heard.delete(signal);
  try {
    signal.removeEventListener('abort', hearing.listener);
  } catch {
    // It keeps a listener that does nothing: no reason to fail a call that is otherwise well.
  }
}

/** Undefined where that is nothing like an AbortSignal. */
export const cancellationBy = (value: unknown): Cancellation | undefined =>
  isLikeSignal(value) ? new CallersCancellation(value) : undefined;

function isLikeSignal(value: unknown): value is AbortSignal {
  if (typeof value !== 'object' || value === null) return false;
  try {
    const { aborted, addEventListener, removeEventListener } = value as Partial<AbortSignal>;
    return (
      typeof aborted === 'boolean' &&
      typeof addEventListener === 'function' &&
      typeof removeEventListener === 'function'
    );
  } catch {
    return false;
  }
}
