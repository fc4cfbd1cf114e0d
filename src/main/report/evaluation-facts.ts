// What evaluate gives, as plain JSON.
import { SoftshardError } from '../../errors.js';
import { checkOptionNames, inspectValue } from '../checks.js';
import type { Evaluation } from '../models/evaluation.js';
import type { CalibrationFacts, EvaluationFacts, Figure } from './facts.js';
import { isNumber } from './figures.js';

export interface EvaluationNames {
  readonly classNames?: readonly string[] | undefined;
  /** Which rows they are: 'test', 'validation', 'training', or a path. */
  readonly of?: string | undefined;
  /** Of a calibrated model: its temperature, and the same rows evaluated by the model without it. */
  readonly temperature?: number | undefined;
  readonly beforeTemperature?: Evaluation | undefined;
}

const NAMES: readonly (keyof EvaluationNames)[] = ['classNames', 'of', 'temperature', 'beforeTemperature'];

/** All that a report shows of it; the matrix as lists of rows, scores class by class. Throws ERR_TYPE for another object. */
export function evaluationFacts(evaluation: Evaluation, names: EvaluationNames = {}): EvaluationFacts {
  checkOptionNames('names', names, NAMES);
  try {
    return factsOf(evaluation, names);
  } catch (cause) {
    const message = `evaluation is ${inspectValue(evaluation)}: it must be what evaluate gives`;
    throw new SoftshardError('ERR_TYPE', message, { argument: 'evaluation', value: evaluation, cause });
  }
}

function factsOf(
  evaluation: Evaluation,
  { classNames, of, temperature, beforeTemperature }: EvaluationNames,
): EvaluationFacts {
  const { perClass, confusion, calibration, ...metrics } = evaluation;
  const classes = perClass.support.length;
  return {
    ...(of !== undefined && { of }),
    ...(mapFigures(metrics) as typeof metrics),
    classNames: classNames ?? null,
    calibration: calibrationFacts(calibration),
    perClass: Array.from(perClass.support, (rows, index) => ({
      class: index,
      name: classNames?.[index] ?? String(index),
      rows,
      recall: perClass.recall[index]!,
      precision: perClass.precision[index]!,
      f1: perClass.f1[index]!,
    })),
    confusion:
      confusion === undefined
        ? null
        : Array.from({ length: classes }, (_, row) => [
            ...confusion.data.subarray(row * classes, (row + 1) * classes),
          ]),
    ...(temperature !== undefined && { temperature }),
    ...(beforeTemperature && {
      beforeTemperature: {
        loss: orNull(beforeTemperature.loss),
        calibration: calibrationFacts(beforeTemperature.calibration),
      },
    }),
  };
}

const calibrationFacts = (calibration: Evaluation['calibration']): CalibrationFacts =>
  mapFigures(calibration) as CalibrationFacts;

const orNull = (value: number): Figure => (isNumber(value) ? value : null);

/** The same, with null for numbers that JSON does not have. */
function mapFigures(value: unknown): unknown {
  if (typeof value === 'number') return orNull(value);
  if (Array.isArray(value)) return value.map(mapFigures);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, mapFigures(part)]));
}
