// Facts come from files that anybody may have written: what is not of the kind that a page draws is refused, by name.
import { SoftshardError } from '../../errors.js';
import { inspectValue } from '../checks.js';
import type { ReportFacts } from './facts.js';

type Kind = 'number' | 'figure' | 'string' | 'boolean' | 'object';
/** A list is of items of one kind; what is in an object may be missing, but where its name ends in "!". */
type Shape = Kind | readonly [Shape] | { readonly [name: string]: Shape };

const COUNTS = {
  rows: 'number',
  ignored: 'number',
  invalid: 'number',
  correct: 'number',
  topK: 'number',
} as const;
const SCORES = { precision: 'figure', recall: 'figure', f1: 'figure' } as const;
const CALIBRATION = {
  expectedError: 'figure',
  maximumError: 'figure',
  bins: [{ 'from!': 'number', 'to!': 'number', 'rows!': 'number', accuracy: 'figure', confidence: 'figure' }],
} as const;

const EVALUATION = {
  ...COUNTS,
  of: 'string',
  loss: 'figure',
  lossStandardError: 'figure',
  perplexity: 'figure',
  accuracy: 'figure',
  majority: 'figure',
  topKAccuracy: 'figure',
  macro: SCORES,
  weighted: SCORES,
  classNames: ['string'],
  perClass: [{ ...SCORES, 'class!': 'number', 'name!': 'string', 'rows!': 'number' }],
  confusion: [['number']],
  calibration: CALIBRATION,
  temperature: 'figure',
  beforeTemperature: { loss: 'figure', 'calibration!': CALIBRATION },
  topConfusions: [{ 'target!': 'number', 'prediction!': 'number', 'rows!': 'number' }],
  worstRows: [
    { 'row!': 'number', 'target!': 'number', 'prediction!': 'number', loss: 'figure', confidence: 'figure' },
  ],
} as const satisfies Shape;

const RESULT = {
  evaluation: EVALUATION,
  warnings: [{ code: 'string', 'message!': 'string' }],
  interrupted: 'boolean',
  classNames: ['string'],
  model: 'string',
  node: 'string',
  numerics: 'string',
  solver: 'string',
  scale: 'string',
  stopReason: 'string',
  epochs: [{ 'epoch!': 'number' }],
  choice: {
    'tried!': [
      { 'scale!': 'string', 'C!': 'number', loss: 'figure', standardError: 'figure', accuracy: 'figure' },
    ],
    'folds!': 'number',
    'rows!': 'number',
    'passes!': 'number',
  },
  heads: [
    {
      'head!': 'number',
      'options!': 'object',
      loss: 'figure',
      accuracy: 'figure',
      losses: ['figure'],
      accuracies: ['figure'],
      passes: ['figure'],
      stopReason: ['string'],
      error: 'string',
    },
  ],
} as const satisfies Shape;

const FACTS: Shape = {
  title: 'string',
  config: { command: 'string', 'options!': 'object' },
  environment: {
    softshard: 'string',
    data: [{ 'name!': 'string', 'path!': 'string', bytes: 'number', sha256: 'string' }],
  },
  status: { state: 'string', startedAt: 'string', updatedAt: 'string', cause: 'string' },
  metrics: ['object'],
  result: RESULT,
};

/** Throws ERR_TYPE. Figures that are of another kind count as unknown; null does as well. */
export function checkFacts(facts: unknown): ReportFacts {
  if (!isObject(facts)) throw refused('facts', facts, 'an object');
  check('facts', facts, FACTS);
  return Object.fromEntries(Object.entries(facts).filter(([, part]) => part !== null));
}

function check(name: string, value: unknown, shape: Shape): void {
  if (value === undefined || value === null || shape === 'figure') return;
  if (typeof shape === 'string') {
    const isIt = shape === 'object' ? isObject(value) : typeof value === shape;
    if (!isIt) throw refused(name, value, WORDS[shape]);
  } else if (isList(shape)) {
    if (!Array.isArray(value)) throw refused(name, value, 'a list');
    // Lists of numbers may be long: their items are looked at where they are drawn.
    const [item] = shape;
    const isRequired = typeof item !== 'string' || item === 'object';
    for (const [i, own] of value.entries()) {
      if (isRequired && (own === null || own === undefined)) throw refused(`${name}[${i}]`, own, 'given');
      check(`${name}[${i}]`, own, item);
    }
  } else {
    if (!isObject(value)) throw refused(name, value, 'an object');
    checkProperties(name, value, shape);
  }
}

function checkProperties(
  name: string,
  value: Readonly<Record<string, unknown>>,
  shape: { readonly [name: string]: Shape },
): void {
  for (const [key, own] of Object.entries(shape)) {
    const property = key.replace('!', '');
    const part = value[property];
    if (key.endsWith('!') && (part === undefined || part === null)) {
      throw refused(`${name}.${property}`, part, 'given');
    }
    check(`${name}.${property}`, part, own);
  }
}

const WORDS = {
  number: 'a number',
  string: 'a text',
  boolean: 'true or false',
  object: 'an object',
} as const;

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);

const isList = (shape: Shape): shape is readonly [Shape] => Array.isArray(shape);

const refused = (argument: string, value: unknown, wanted: string): SoftshardError =>
  new SoftshardError('ERR_TYPE', `${argument} is ${inspectValue(value)}: it must be ${wanted}`, {
    argument,
    value,
  });
