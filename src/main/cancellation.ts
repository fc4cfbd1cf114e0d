// What cancels a call. The caller's signal may be of any make (jsdom's, a polyfill's, another realm's) and throw wherever it is
// touched; all that waits or runs looks at an object of our own instead, of which nothing throws.
import { messageOf, SoftshardError } from '../errors.js';

export class Cancellation {
  readonly #listeners = new Set<() => void>();
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
    if (this.aborted) listener();
    else this.#listeners.add(listener);
  }

  removeListener(listener: () => void): void {
    this.#listeners.delete(listener);
  }

  /** Only the first reason counts. */
  abort(reason: unknown): void {
    if (this.#isAborted) return;
    this.#isAborted = true;
    this.#reason = reason;
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const listener of listeners) listener();
  }

  protected get isHeard(): boolean {
    return this.#listeners.size > 0;
  }
}

const ONCE = { once: true } as const;

/** Of a caller's signal, which has one listener of ours while there are some here, however many. */
class CallersCancellation extends Cancellation {
  readonly #signal: AbortSignal;
  #isListening = false;

  constructor(signal: AbortSignal) {
    super();
    this.#signal = signal;
  }

  override get aborted(): boolean {
    if (!super.aborted && this.#touch((signal) => signal.aborted) === true) this.#onAbort();
    return super.aborted;
  }

  override addListener(listener: () => void): void {
    super.addListener(listener);
    if (!this.isHeard || this.#isListening) return;
    this.#isListening = true;
    this.#touch((signal) => signal.addEventListener('abort', this.#onAbort, ONCE));
  }

  override removeListener(listener: () => void): void {
    super.removeListener(listener);
    if (!this.isHeard) this.#leave();
  }

  override abort(reason: unknown): void {
    super.abort(reason);
    this.#leave();
  }

  readonly #onAbort = (): void => {
    const reason = this.#touch((signal) => signal.reason);
    // Old polyfills have none.
    this.abort(reason === undefined ? new DOMException('The operation was aborted', 'AbortError') : reason);
  };

  #leave(): void {
    if (!this.#isListening) return;
    this.#isListening = false;
    try {
      this.#signal.removeEventListener('abort', this.#onAbort);
    } catch {
      // It keeps a listener that does nothing: no reason to fail a call that is otherwise well.
    }
  }

  /** A signal that throws cancels what it was given to, with an error that says so. */
  #touch<Value>(use: (signal: AbortSignal) => Value): Value | undefined {
    try {
      return use(this.#signal);
    } catch (cause) {
      const message = `options.signal throws where it is used (${messageOf(cause)}): pass a working AbortSignal`;
      this.abort(new SoftshardError('ERR_OPTION', message, { argument: 'options.signal', cause }));
      return undefined;
    }
  }
}

/** Those that calls were given: many calls may have one signal, which then still has one listener. */
const known = new WeakMap<object, Cancellation>();

/** Undefined where that is nothing like an AbortSignal. */
export function cancellationBy(value: unknown): Cancellation | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const there = known.get(value);
  if (there !== undefined || !isLikeSignal(value)) return there;
  const cancellation = new CallersCancellation(value);
  known.set(value, cancellation);
  return cancellation;
}

function isLikeSignal(value: object): value is AbortSignal {
  try {
    const { aborted, addEventListener, removeEventListener } = value as Partial<AbortSignal>;
    const methods = [addEventListener, removeEventListener];
    return typeof aborted === 'boolean' && methods.every((method) => typeof method === 'function');
  } catch {
    return false;
  }
}
