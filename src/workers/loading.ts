// What a thread must not be ended during: threads mark themselves while they load, and begin no more once they are to end.
import { threadId } from 'node:worker_threads';

export interface Loading {
  /** Shared, [1 + MARKS]: not 0 once threads must not begin to load; then the marks of those that are loading. */
  readonly loading: Int32Array;
}

/** load.cts, which cannot import them, has the same. */
const CLOSED = 0;
/** Threads of an engine that load at the same time have ids that are nearer to each other. */
const MARKS = 1023;

export const newLoading = (): Int32Array => new Int32Array(new SharedArrayBuffer(4 * (1 + MARKS)));

const placeOf = (id: number): number => 1 + (id % MARKS);
/** Not 0. */
const markOf = (id: number): number => id + 1;

export function whileLoading<Loaded>(loaded: Loading, load: () => Loaded): Loaded {
  const { loading } = loaded;
  // Marked before CLOSED is read, and the main thread writes CLOSED before it reads the marks: one sees the other.
  Atomics.store(loading, placeOf(threadId), markOf(threadId));
  try {
    if (Atomics.load(loading, CLOSED) !== 0) throw new Error('the engine ends its threads');
    return load();
  } finally {
    forgetLoading(loaded, threadId);
  }
}

/** Lets no thread begin to load; gives whether some still do. */
export function closeLoading({ loading }: Loading): boolean {
  Atomics.store(loading, CLOSED, 1);
  return loading.some((_, place) => place !== CLOSED && Atomics.load(loading, place) !== 0);
}

/** The thread has loaded, or has exited, perhaps while it did. */
export function forgetLoading({ loading }: Loading, id: number): void {
  Atomics.compareExchange(loading, placeOf(id), markOf(id), 0);
}
