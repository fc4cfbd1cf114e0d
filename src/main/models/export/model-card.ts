// What a model is and how it came about, for people and programs that meet it without its training.

import { SoftshardError } from '../../../errors.js';
import { inspectValue } from '../../checks.js';
import { version } from '../../version.js';
import { checkModel } from '../checked-model.js';
import type { Json, Model } from '../model-file.js';
import type { FeatureScaling } from '../scaling.js';

/** Every value is JSON. */
export interface ModelCard {
  /** What wrote this card. */
  readonly writtenBy: { readonly name: 'softshard'; readonly version: string; readonly node: string };
  /** The version of softshard that trained the model. */
  readonly softshardVersion: string;
  readonly kind: 'softmax classifier';
  readonly features: number;
  readonly classes: number;
  /** Of weights and bias. */
  readonly parameters: number;
  readonly classNames: readonly string[] | null;
  readonly featureNames: readonly string[] | null;
  /** scaled = (feature - shift) · scale; part of the model. */
  readonly featureScaling: FeatureScaling | null;
  /** What calibration has divided weights and bias by; 1: nothing. */
  readonly temperature: number;
  /** The files that it was trained on, with their SHA-256, as `softshard train` keeps them in the model. */
  readonly data: Json;
  /** Of its training, likewise. */
  readonly metrics: Json;
  /** Of `softshard calibrate`, likewise. */
  readonly calibration: Json;
  /** All else that was saved of how it was trained. */
  readonly trainingOptions: Json;
}

/** The card of a model as readModelFile gives it. Throws as Predictor for a model that is none. */
export function modelCard(model: Model): ModelCard {
  const { weights, bias, features, classes, classNames, featureNames, featureScaling, temperature } =
    checkModel(model);
  const { trainingOptions = {}, softshardVersion } = model;
  if (typeof trainingOptions !== 'object' || trainingOptions === null) {
    const argument = 'model.trainingOptions';
    const message = `${argument} is ${inspectValue(trainingOptions)}: it must be an object`;
    throw new SoftshardError('ERR_OPTION', message, { argument, value: trainingOptions });
  }
  const { data = null, metrics = null, calibration = null, ...others } = trainingOptions;
  return {
    writtenBy: { name: 'softshard', version, node: process.versions.node },
    softshardVersion: softshardVersion ?? '',
    kind: 'softmax classifier',
    features,
    classes,
    parameters: weights.length + bias.length,
    classNames: classNames ?? null,
    featureNames: featureNames ?? null,
    featureScaling: featureScaling ?? null,
    temperature: temperature ?? 1,
    data,
    metrics,
    calibration,
    trainingOptions: others,
  };
}
