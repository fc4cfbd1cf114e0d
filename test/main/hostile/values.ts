// What nobody should pass, and what the caller's own objects among it throw.
import { runInNewContext } from 'node:vm';

/** What the caller's own objects throw: it may come through as it is. */
class CallersError extends Error {}
export const callersError = new CallersError("the caller's own");
const throwing = (): never => {
  throw callersError;
};

const detached = (): Float32Array => {
  const array = new Float32Array(4);
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
};

const revoked = (): object => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
};

/** Without the zeros. */
const holes = (numbers: number[]): number[] => {
  for (const [i, number] of numbers.entries()) if (number === 0) delete numbers[i];
  return numbers;
};

/** Made anew for each call. */
export const HOSTILE: Readonly<Record<string, () => unknown>> = {
  undefined: () => undefined,
  null: () => null,
  true: () => true,
  '0': () => 0,
  '-0': () => -0,
  '-1': () => -1,
  '1.5': () => 1.5,
  NaN: () => Number.NaN,
  Infinity: () => Number.POSITIVE_INFINITY,
  '2^53': () => 2 ** 53,
  '1e300': () => 1e300,
  bigint: () => 3n,
  'empty text': () => '',
  toString: () => 'toString',
  constructor: () => 'constructor',
  // Computed: else it would be the table's prototype.
  ['__proto__']: () => '__proto__',
  'text with controls': () => '\x1b[31m\0',
  'long text': () => 'x'.repeat(5000),
  symbol: () => Symbol('s'),
  function: () => throwing,
  array: () => [],
  'array with holes': () => holes([0, 1, 0, 2]),
  'array of undefined': () => [undefined, null, {}, 'x'],
  'array of symbols': () => [Symbol('s'), 1n],
  'nested array': () => [[1], [2]],
  'long array': () => new Array(100_000),
  object: () => ({}),
  'without prototype': () => Object.create(null),
  'own __proto__': () => JSON.parse('{"__proto__": 1, "constructor": 2, "toString": 3}'),
  date: () => new Date(Number.NaN),
  regexp: () => /x/,
  map: () => new Map([[1, 2]]),
  promise: () => Promise.resolve(1),
  thenable: () => Object.defineProperty({}, 'then', { get: throwing }),
  ArrayBuffer: () => new ArrayBuffer(8),
  DataView: () => new DataView(new ArrayBuffer(8)),
  'no floats': () => new Float32Array(0),
  floats: () => Float32Array.of(1, 2, 3, 4, 5),
  doubles: () => Float64Array.of(1, Number.NaN),
  bytes: () => Buffer.from([1, 255]),
  bigints: () => BigInt64Array.of(1n, -1n),
  'a detached array': detached,
  'a revoked proxy': revoked,
  'a proxy that throws': () =>
    new Proxy({}, { get: throwing, has: throwing, ownKeys: throwing, getOwnPropertyDescriptor: throwing }),
  'getters that throw': () => ({
    get type() {
      return throwing();
    },
    get dims() {
      return throwing();
    },
    get data() {
      return throwing();
    },
    get length() {
      return throwing();
    },
  }),
  'a value that throws': () => ({ valueOf: throwing, toString: throwing, [Symbol.toPrimitive]: throwing }),
  'an inspection that throws': () => ({ [Symbol.for('nodejs.util.inspect.custom')]: throwing }),
  'a tensor of no type': () => ({ type: 'toString', dims: [1, 2], data: Float32Array.of(1, 2) }),
  'a tensor of __proto__': () => ({ type: '__proto__', dims: [1, 2], data: Float32Array.of(1, 2) }),
  'huge dims': () => ({ type: 'float32', dims: [2 ** 32, 2 ** 32, 2 ** 32], data: new Float32Array(1) }),
  'many dims': () => ({ type: 'float32', dims: new Array(20_000).fill(1), data: Float32Array.of(1) }),
  'negative dims': () => ({ type: 'float32', dims: [-0, -2], data: new Float32Array(0) }),
  'dims with holes': () => ({ type: 'float32', dims: holes([1, 0, 2]), data: new Float32Array(2) }),
  'dims that are text': () => ({ type: 'float32', dims: ['1', '2'], data: new Float32Array(2) }),
  'dims that are symbols': () => ({ type: 'float32', dims: [Symbol('s')], data: new Float32Array(2) }),
  'no dims': () => ({ type: 'float32', dims: [], data: Float32Array.of(1) }),
  'an iterable that throws': () => ({ [Symbol.iterator]: throwing }),
  'an iterator that throws': () => ({ [Symbol.asyncIterator]: () => ({ next: throwing, return: throwing }) }),
  'an iterable of anything': () => [1, 'x', null, [], {}, [null], Symbol('s')].values(),
  'records that throw': () => [
    {
      get a() {
        return throwing();
      },
    },
  ],
  'a stream that throws': () => ({ getReader: throwing }),
  'a vector that is none': () => ({ type: { typeId: 16 }, length: 2, nullCount: 0, getChildAt: () => null }),
  'a table that is none': () => ({ schema: { fields: [{ name: 'a' }] }, numRows: 2, getChild: () => null }),
  'an array of another realm': () => runInNewContext('Float64Array.of(1, 2, 3, 4)'),
  'rows of another realm': () => runInNewContext('[[1, 2], [3, 4]]'),
  'an array out of its bounds': () => {
    const buffer: ArrayBuffer = Reflect.construct(ArrayBuffer, [24, { maxByteLength: 24 }]);
    const array = new Float64Array(buffer, 8);
    Reflect.apply(Reflect.get(buffer, 'resize'), buffer, [4]);
    return array;
  },
  'data that are none': () => ({ type: 'float32', dims: [1], data: { length: 1, 0: 1 } }),
};
