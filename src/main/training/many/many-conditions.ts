// What decides about the bits of a call of fitMany.
import type { Engine } from '../../engine.js';
import {
  type Conditions,
  engineConditions,
  inputsConditions,
  optionConditions,
} from '../checkpoint/conditions.js';
import { validationConditions } from '../checkpoint/fit-conditions.js';
import type { LabeledHeads } from './labeled-heads.js';

export function manyConditions(
  engine: Engine,
  { shape, inputs, targets, options }: LabeledHeads,
): Conditions {
  const { cv, validationSplit, splitSeed, rankBy, oneStandardError, path, halving, refit } = options;
  const { features, classes, classNames, featureScaling } = shape;
  const shapes = { rows: inputs.rows, features, classes, classNames, featureScaling, targets };
  const comparison = { cv, validationSplit, splitSeed, rankBy, oneStandardError, path, halving, refit };
  const heads = options.heads.map((head) => [`heads[${head.index}]`, head.options] as const);
  return {
    ...engineConditions(engine),
    ...inputsConditions(inputs),
    ...optionConditions({ ...shapes, ...comparison, ...Object.fromEntries(heads) }),
    ...validationConditions(options.validation),
  };
}
