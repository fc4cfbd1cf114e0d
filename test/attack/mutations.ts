// How files go wrong: bits flip, parts go missing or come twice, numbers become others, structure nests without end.
import type { Random } from './random.js';

type Mutation = (random: Random, bytes: Buffer, other: Buffer) => Buffer;

const part = (random: Random, bytes: Buffer, most = bytes.length): readonly [begin: number, end: number] => {
  const begin = random.below(bytes.length + 1);
  return [begin, Math.min(bytes.length, begin + random.size(Math.max(1, most)))];
};

const replaced = (bytes: Buffer, begin: number, end: number, by: Uint8Array): Buffer =>
  Buffer.concat([bytes.subarray(0, begin), by, bytes.subarray(end)]);

const flipBits: Mutation = (random, bytes) => {
  const changed = Buffer.from(bytes);
  for (let count = random.size(8); count > 0 && bytes.length > 0; count--) {
    changed[random.below(bytes.length)]! ^= 1 << random.below(8);
  }
  return changed;
};

const setBytes: Mutation = (random, bytes) => {
  const [begin, end] = part(random, bytes, 8);
  return Buffer.from(bytes).fill(random.of([0, 0xff, 0x20, 0x7f, 0x80, random.below(256)]), begin, end);
};

const cutOff: Mutation = (random, bytes) => bytes.subarray(0, random.below(bytes.length + 1));
const cutFront: Mutation = (random, bytes) => bytes.subarray(random.below(bytes.length + 1));
const leaveOut: Mutation = (random, bytes) => replaced(bytes, ...part(random, bytes), Buffer.alloc(0));

const duplicate: Mutation = (random, bytes) => {
  const [begin, end] = part(random, bytes);
  return replaced(bytes, end, end, bytes.subarray(begin, end));
};

const splice: Mutation = (random, bytes, other) =>
  Buffer.concat([
    bytes.subarray(0, random.below(bytes.length + 1)),
    other.subarray(random.below(other.length + 1)),
  ]);

const insertOther: Mutation = (random, bytes, other) => {
  const at = random.below(bytes.length + 1);
  return replaced(bytes, at, at, other.subarray(...part(random, other)));
};

const MOST_BYTES = 100_000;

const grow: Mutation = (random, bytes) => {
  const [begin, end] = part(random, bytes);
  const times = Math.floor(random.size(MOST_BYTES) / Math.max(1, end - begin));
  return replaced(bytes, end, end, Buffer.concat(Array(times).fill(bytes.subarray(begin, end))));
};

/** Words that text is full of where it attacks: terminals, parsers, decoders, lookups. */
const WORDS: readonly (string | readonly number[])[] = [
  '\u001b[31m',
  '\u001b]0;title\u0007',
  '\u009b31m',
  '\u202e',
  '\u2066',
  '\0',
  '\ufeff',
  '\u2028',
  '\u0085',
  '\u00a0',
  '\u3000',
  '\u000b',
  '\r',
  '\n',
  '\n\n',
  '"',
  '""',
  "'",
  ',',
  ';',
  '\t',
  '\\',
  '__proto__',
  'constructor',
  'toString',
  '=cmd()',
  '<!DOCTYPE html>',
  'nan',
  'NaN',
  'inf',
  '-Infinity',
  [0xed, 0xa0, 0x80],
  [0xc0, 0x80],
  [0xff, 0xfe],
  [0xf4, 0x90, 0x80, 0x80],
];

const insertWord: Mutation = (random, bytes) => {
  const word = random.of(WORDS);
  const times = random.chance(0.9) ? 1 : random.size(20_000);
  const inserted = Buffer.concat(
    Array(times).fill(typeof word === 'string' ? Buffer.from(word) : Buffer.from(word)),
  );
  const at = random.below(bytes.length + 1);
  return replaced(bytes, at, at, inserted);
};

/** What patterns look for, over and over, and then something else. */
const insertRun: Mutation = (random, bytes) => {
  const run = random
    .of(['0', '1', '9', '.', '-', '+', 'e', ' ', '\t', '"', "'", '\\', ',', '0.', '1e'])
    .repeat(random.size(20_000));
  const at = random.below(bytes.length + 1);
  return replaced(
    bytes,
    at,
    at,
    Buffer.from(random.of(['', '1', '-', '0.']) + run + random.of(['', 'x', '-', '1'])),
  );
};

const NUMBERS: readonly string[] = [
  ...['0', '-0', '-1', '1', '2', '3', '7', '255', '256', '65535', '2147483647', '2147483648', '4294967295'],
  ...['4294967296', '9007199254740991', '9007199254740992', '9007199254740993', '18446744073709551616'],
  ...[
    '1e308',
    '1e309',
    '-1e309',
    '1e-400',
    '1.5',
    '0.1',
    '.5',
    '5.',
    '1e',
    '0x10',
    '0b1',
    '1_000',
    '1L',
    '007',
  ],
  ...[
    '1234567890123456789',
    '1234567890123456790',
    'NaN',
    'Infinity',
    '-inf',
    '',
    '١',
    '１',
    '1'.repeat(400),
  ],
];

/** One of the numbers in its text becomes another. */
const changeNumber: Mutation = (random, bytes) => {
  const text = bytes.toString('latin1');
  const found = [...text.matchAll(/-?\d+(?:\.\d+)?/g)];
  if (found.length === 0) return flipBits(random, bytes, bytes);
  const { 0: number, index } = random.of(found);
  return replaced(bytes, index, index + number.length, Buffer.from(random.of(NUMBERS)));
};

const JSON_VALUES: readonly string[] = [
  ...[
    'null',
    'true',
    '{}',
    '[]',
    '""',
    '"x"',
    '-1',
    '0',
    '1',
    '1.5',
    '1e308',
    '1e999',
    '[1]',
    '[[1]]',
    '{"a":1}',
  ],
  ...['[0,0]', '[1,2,3]', '[-1,2]', '[2,-1]', '"\\u0000"', '"\\ud800"', '"\\u001b[2J"', '{"__proto__":[1]}'],
];

/** One of the values in JSON or in a Python dict becomes another, or a key comes twice. */
const changeValue: Mutation = (random, bytes) => {
  const text = bytes.toString('latin1');
  const found = [
    ...text.matchAll(
      /"(?:[^"\\]|\\.)*"|'[^']*'|-?\d+(?:\.\d+)?|true|false|null|True|False|[[({][^[\](){}]*[\])}]/g,
    ),
  ];
  if (found.length === 0) return insertWord(random, bytes, bytes);
  const { 0: value, index } = random.of(found);
  const by = random.chance(0.1) ? random.of(found)[0] : random.of([...JSON_VALUES, ...NUMBERS]);
  return replaced(bytes, index, index + value.length, Buffer.from(by, 'latin1'));
};

const nest: Mutation = (random, bytes) => {
  const [open, close] = random.of([
    ['[', ']'],
    ['{"a":', '}'],
    ['(', ')'],
    ['"', '"'],
    ['[[],', ']'],
  ] as const);
  const depth = random.size(20_000);
  const at = random.below(bytes.length + 1);
  const closed = random.chance(0.7) ? close.repeat(depth) : '';
  return replaced(bytes, at, at, Buffer.from(open.repeat(depth) + random.of(['', '1']) + closed));
};

const INTEGERS = [
  0,
  1,
  2,
  3,
  127,
  128,
  255,
  65535,
  65536,
  2 ** 24,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
] as const;

/** A binary number, often one of those in front, becomes another. */
const setInteger: Mutation = (random, bytes) => {
  if (bytes.length < 4) return flipBits(random, bytes, bytes);
  const changed = Buffer.from(bytes);
  const at = random.below(random.chance(0.6) ? Math.min(24, bytes.length - 3) : bytes.length - 3);
  const value = random.of(INTEGERS);
  if (random.chance(0.5)) changed.writeUInt32BE(value, at);
  else changed.writeUInt32LE(value, at);
  return changed;
};

const MUTATIONS: readonly Mutation[] = [
  flipBits,
  setBytes,
  cutOff,
  cutFront,
  leaveOut,
  duplicate,
  splice,
  insertOther,
  grow,
  insertWord,
  insertWord,
  insertRun,
  changeNumber,
  changeNumber,
  changeValue,
  changeValue,
  nest,
  setInteger,
  setInteger,
];

/** `other` is of another file, to be mixed with. */
export const mutated = (random: Random, bytes: Buffer, other: Buffer): Buffer =>
  random
    .of(MUTATIONS)(random, bytes, other)
    .subarray(0, 4 * MOST_BYTES);
