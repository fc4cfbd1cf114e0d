// How many features and classes a classifier has, and its parameters: known from its options, or from the first rows it is
// trained on.
import { SoftshardError } from '../../errors.js';
import {
  areStrings,
  checkInteger,
  checkOneOf,
  checkOptionNames,
  INT32_MAX,
  inspectValue,
} from '../checks.js';
import type { Classes, LabelType } from '../intake/classes.js';
import { MAX_ARENA_BYTES } from '../memory/arena.js';
import { arrayClassOf } from '../memory/arrays.js';
import { checkFeatureScaling, type FeatureScaling } from '../models/scaling.js';

export interface ClassifierOptions {
  /** Default: as many as the first rows have that it is trained on. */
  features?: number | undefined;
  /** At least 2. Default: those that the first labels show which it is trained on. */
  classes?: number | undefined;
  /** One for each class. */
  classNames?: readonly string[] | undefined;
  /**
   * 'number': targets that are numbers are labels, to be found among the classNames, as after training on -1 and 1; default: they
   * are class indices.
   */
  labelType?: LabelType | undefined;
  /** One for each feature, all different: kept with the model, for readers to find the columns of a file by. */
  featureNames?: readonly string[] | undefined;
  /** Part of the model: fit, validation, evaluate and predict apply it to the rows they are given, which are unscaled. */
  featureScaling?: FeatureScaling | undefined;
}

export const CLASSIFIER_OPTION_NAMES: readonly (keyof ClassifierOptions)[] = [
  'features',
  'classes',
  'classNames',
  'labelType',
  'featureNames',
  'featureScaling',
];

interface Parameters {
  readonly features: number;
  readonly featureNames: readonly string[] | undefined;
  readonly classes: Classes;
  readonly weights: Float32Array;
  readonly bias: Float32Array;
}

export class ClassifierShape {
  readonly featureScaling: FeatureScaling | undefined;
  /** Of the constructor's options. */
  readonly #features: number | undefined;
  readonly #featureNames: readonly string[] | undefined;
  readonly #classes: Classes | undefined;
  #parameters: Parameters | undefined;

  constructor(options: ClassifierOptions) {
    checkOptionNames('options', options, CLASSIFIER_OPTION_NAMES);
    const { classNames, featureNames, featureScaling } = options;
    this.#features = countOf(
      'features',
      options.features ?? lengthOf(featureNames) ?? scaledFeatures(featureScaling),
      1,
    );
    this.#featureNames = checkNames('featureNames', featureNames, this.#features, 'feature');
    checkDifferent(this.#featureNames);
    const count = countOf('classes', options.classes ?? lengthOf(classNames), 2);
    const names = checkNames('classNames', classNames, count, 'class');
    this.#classes = count === undefined ? undefined : { count, names, labelType: checkLabelType(options) };
    this.featureScaling = checkFeatureScaling('options.featureScaling', featureScaling, this.#features ?? 1);
    if (this.#features !== undefined && this.#classes !== undefined) {
      this.#parameters = newParameters(this.#features, this.#featureNames, this.#classes);
    }
  }

  /** Undefined until the first fit. */
  get features(): number | undefined {
    return this.#parameters?.features ?? this.#features;
  }

  get classes(): Classes | undefined {
    return this.#parameters?.classes ?? this.#classes;
  }

  get featureNames(): readonly string[] | undefined {
    return this.#parameters?.featureNames ?? this.#featureNames;
  }

  /** Throws ERR_NOT_FITTED. */
  get parameters(): Parameters {
    if (this.#parameters !== undefined) return this.#parameters;
    const missing = this.#features === undefined ? 'features' : 'classes';
    const message = `the classifier does not know its ${missing} yet: call fit first, whose rows and labels show them, or give them to the constructor`;
    throw new SoftshardError('ERR_NOT_FITTED', message, { argument: missing });
  }

  get isSettled(): boolean {
    return this.#parameters !== undefined;
  }

  /** Whether its parameters are all zero, as before any training; detached ones are not. */
  get isUntrained(): boolean {
    const { weights, bias } = this.parameters;
    const areZero = (values: Float32Array) => values.length > 0 && values.every((value) => value === 0);
    return areZero(weights) && areZero(bias);
  }

  /**
   * Before the first training: from here on it has this many features and these classes. The function that it gives undoes that,
   * unless something has been learned.
   */
  settle(features: number, featureNames: readonly string[] | undefined, classes: Classes): () => void {
    const former = this.#parameters;
    if (former !== undefined && former.classes === classes) return () => {};
    const names = this.featureNames ?? (new Set(featureNames).size === features ? featureNames : undefined);
    this.#parameters =
      former === undefined ? newParameters(features, names, classes) : { ...former, classes };
    return () => {
      if (this.isUntrained) this.#parameters = former;
    };
  }
}

function newParameters(
  features: number,
  featureNames: readonly string[] | undefined,
  classes: Classes,
): Parameters {
  checkParameters(features, classes.count);
  const weights = new Float32Array(features * classes.count);
  return { features, featureNames, classes, weights, bias: new Float32Array(classes.count) };
}

/** Before they are allocated: a stray label such as 2147483646 asks for as many classes. */
function checkParameters(features: number, classes: number): void {
  const bytes = (features + 1) * classes * Float32Array.BYTES_PER_ELEMENT;
  if (bytes <= MAX_ARENA_BYTES) return;
  const message = `${features} features × ${classes} classes take ${bytes} bytes of weights, an arena has at most ${MAX_ARENA_BYTES}: number the classes from 0 without gaps, or leave features out`;
  throw new SoftshardError('ERR_ARENA_FULL', message, { argument: 'options.classes', value: classes });
}

const countOf = (option: 'features' | 'classes', value: unknown, least: number): number | undefined =>
  value === undefined ? undefined : checkInteger(`options.${option}`, value, least, INT32_MAX);

const lengthOf = (names: unknown): number | undefined => (Array.isArray(names) ? names.length : undefined);

/** As many as a scaling has numbers for. */
function scaledFeatures(scaling: FeatureScaling | undefined): number | undefined {
  const { shift, scale } = Object(scaling) as Partial<FeatureScaling>;
  const numbers = [shift, scale].find((part) => Array.isArray(part) || arrayClassOf(part) !== undefined);
  return typeof numbers === 'object' ? numbers.length : undefined;
}

function checkLabelType({ labelType, classNames }: ClassifierOptions): LabelType | undefined {
  if (labelType === undefined) return undefined;
  checkOneOf('options.labelType', labelType, ['number']);
  if (classNames !== undefined) return labelType;
  const message = `options.labelType is 'number' without options.classNames, among which the numbers would be found: give them, or leave both out`;
  throw new SoftshardError('ERR_OPTION', message, { argument: 'options.labelType', value: labelType });
}

function checkNames(
  option: 'classNames' | 'featureNames',
  value: unknown,
  count: number | undefined,
  what: 'class' | 'feature',
): readonly string[] | undefined {
  if (value === undefined) return undefined;
  if (Array.isArray(value) && value.length === count && areStrings(value)) {
    return Object.freeze([...value]);
  }
  const argument = `options.${option}`;
  const found =
    Array.isArray(value) && value.length !== count
      ? `has ${value.length} names for ${count} ${what === 'class' ? 'classes' : 'features'}`
      : `is ${inspectValue(value)}`;
  const message = `${argument} ${found}: it must be an array with a string for each ${what}`;
  throw new SoftshardError('ERR_OPTION', message, { argument, value });
}

/** A column could not be found by a name that two features have. */
function checkDifferent(names: readonly string[] = []): void {
  const seen = new Set<string>();
  const twice = names.find((name) => seen.size === seen.add(name).size);
  if (twice === undefined) return;
  const argument = 'options.featureNames';
  const message = `${argument} has ${inspectValue(twice)} twice: give each feature a name of its own, or leave the names out`;
  throw new SoftshardError('ERR_OPTION', message, { argument, value: twice });
}
