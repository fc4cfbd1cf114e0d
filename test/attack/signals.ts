// AbortSignals as callers have them: Node's own, those of jsdom and polyfills, and ones that misbehave.
import type { Random } from './random.js';

/** What a call is told to stop by, and how. */
export interface Stopping {
  readonly signal: AbortSignal;
  abort(): void;
  /** Whether a call that was told to stop may reject with it. */
  isReason(error: unknown): boolean;
}

function ownSignal(): Stopping {
  const controller = new AbortController();
  const reason = new Error('the attack aborts this call');
  const { signal } = controller;
  return { signal, abort: () => controller.abort(reason), isReason: (error) => error === reason };
}

function joinedSignal(): Stopping {
  const own = ownSignal();
  return { ...own, signal: AbortSignal.any([new AbortController().signal, own.signal]) };
}

function reasonlessSignal(): Stopping {
  const controller = new AbortController();
  const { signal } = controller;
  return { signal, abort: () => controller.abort(), isReason: (error) => error === signal.reason };
}

/** A signal that is none of Node's, as jsdom's and polyfills' are not: whatever AbortSignal has, by its own means. */
class ForeignSignal extends EventTarget {
  aborted = false;
  reason: unknown = undefined;
  onabort: ((event: Event) => unknown) | null = null;

  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }

  abort(reason: unknown): void {
    this.aborted = true;
    this.reason = reason;
    this.dispatchEvent(new Event('abort'));
  }
}

/** Without EventTarget: listeners in a list, called without an event, as some polyfills do. */
class BareSignal extends ForeignSignal {
  readonly #listeners = new Set<unknown>();

  override addEventListener(_type: string, listener: unknown): void {
    this.#listeners.add(listener);
  }

  override removeEventListener(_type: string, listener: unknown): void {
    this.#listeners.delete(listener);
  }

  override abort(reason: unknown): void {
    this.aborted = true;
    this.reason = reason;
    for (const listener of [...this.#listeners]) if (typeof listener === 'function') listener();
  }
}

const SIGNAL_FAULT = new Error('a fault of the signal');
const fail = (): never => {
  throw SIGNAL_FAULT;
};

class ThrowsWhenListenedTo extends ForeignSignal {
  override addEventListener(): void {
    fail();
  }
}

class ThrowsWhenLeft extends ForeignSignal {
  override removeEventListener(): void {
    fail();
  }
}

/** Not at the first look, which checks make. */
class ThrowsWhenAsked extends ForeignSignal {
  constructor(looks: number) {
    super();
    let left = looks;
    Object.defineProperty(this, 'aborted', { get: () => (left-- > 0 ? false : fail()), set() {} });
  }
}

const foreign = (make: (random: Random) => ForeignSignal) => {
  return (random: Random): Stopping => {
    const signal = make(random);
    const reason = new Error('the attack aborts this call');
    return {
      // It has the members of one; that it is none of Node's is the attack.
      signal: signal as ForeignSignal & AbortSignal,
      abort: () => signal.abort(reason),
      isReason: (error) => error === reason || error === SIGNAL_FAULT,
    };
  };
};

export const SIGNALS = {
  own: ownSignal,
  joined: joinedSignal,
  reasonless: reasonlessSignal,
  foreign: foreign(() => new ForeignSignal()),
  bare: foreign(() => new BareSignal()),
  'throws when listened to': foreign(() => new ThrowsWhenListenedTo()),
  'throws when left': foreign(() => new ThrowsWhenLeft()),
  'throws when asked': foreign((random) => new ThrowsWhenAsked(random.below(8))),
} satisfies Record<string, (random: Random) => Stopping>;

/** Those that a call may refuse instead of obeying them. */
export const isForeign = (name: SignalName): boolean => !['own', 'joined', 'reasonless'].includes(name);

export type SignalName = keyof typeof SIGNALS;
export const SIGNAL_NAMES = Object.keys(SIGNALS) as SignalName[];

class ForeignController {
  readonly signal = new ForeignSignal();

  abort(reason?: unknown): void {
    this.signal.abort(reason);
  }
}

/** As jsdom and happy-dom do where tests run; gives how to undo it. */
export function replaceGlobals(withController: boolean): () => void {
  const names = withController ? (['AbortSignal', 'AbortController'] as const) : (['AbortSignal'] as const);
  const before = names.map((name) => Object.getOwnPropertyDescriptor(globalThis, name)!);
  const replacements = { AbortSignal: ForeignSignal, AbortController: ForeignController };
  for (const name of names) {
    Object.defineProperty(globalThis, name, {
      value: replacements[name],
      configurable: true,
      writable: true,
    });
  }
  return () => {
    for (const [i, name] of names.entries()) Object.defineProperty(globalThis, name, before[i]!);
  };
}
