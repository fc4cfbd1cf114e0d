// Runs in a worker thread in place of src/workers/entry.ts: a task that goes wrong on the way, as its `fault` says.
import run from '#softshard/workers/entry.js';

// Not by a microtask: Node 20 may lose the end of a thread that throws so and is terminated just then.
const later = (error) =>
  setImmediate(() => {
    throw error;
  });
const raise = (error) => {
  throw error;
};

const STRIKES = {
  'exits with 0': () => process.exit(0),
  'exits with 3': () => process.exit(3),
  'throws an error': () => raise(new Error('a fault')),
  'throws null': () => raise(null),
  'throws undefined': () => raise(undefined),
  'throws text': () => raise('a fault'),
  'throws a number': () => raise(0),
  'throws a symbol': () => raise(Symbol('a fault')),
  'throws what cannot be sent': () => raise(() => {}),
  'throws later': () => later(new Error('a fault')),
  'exits later': () => setImmediate(() => process.exit(1)),
};

/** Strikes at a call of Atomics.add (claims and barriers) or Atomics.wait, that of number `after`. */
function strikingAt(name, after, strike, work) {
  const original = Atomics[name];
  let left = after;
  Atomics[name] = (...parameters) => {
    if (left-- === 0) strike();
    return original(...parameters);
  };
  try {
    return work();
  } finally {
    Atomics[name] = original;
  }
}

function faulty({ fault, ...task }) {
  const { kind, moment, after } = fault;
  if (kind === 'gives null') return null;
  if (kind === 'gives nothing') return undefined;
  const strike = STRIKES[kind];
  if (moment === 'before') strike();
  if (moment === 'before' || moment === 'after') {
    const result = run(task);
    if (moment === 'after') strike();
    return result;
  }
  return strikingAt(moment, after, strike, () => run(task));
}

export { faulty as run };
