// What calibrate, and train with --calibrate, say of a temperature.
import type { Training } from '../index.js';
import { inOptionNames } from './failures.js';
import { counted, loss, percent, table } from './output.js';
import type { Progress } from './progress.js';

/** What the model keeps, and --json prints. */
export function calibrationFacts({ temperature, temperatureError, before, after }: Training.Calibration) {
  return {
    temperature,
    // JSON has no NaN.
    temperatureError: Number.isNaN(temperatureError) ? null : temperatureError,
    rows: before.rows,
    before: figuresOf(before),
    after: figuresOf(after),
  };
}

const figuresOf = ({ loss, accuracy, calibration }: Training.Evaluation) => ({
  loss,
  accuracy,
  expectedError: calibration.expectedError,
  maximumError: calibration.maximumError,
});

export function calibrationText({
  temperature,
  temperatureError,
  before,
  after,
}: Training.Calibration): string {
  const lines = [
    ['', 'before', 'after'],
    ['loss', loss(before.loss), loss(after.loss)],
    [
      'calibration error',
      percent(before.calibration.expectedError),
      percent(after.calibration.expectedError),
    ],
    ['largest of a bin', percent(before.calibration.maximumError), percent(after.calibration.maximumError)],
    ['accuracy', percent(before.accuracy), percent(after.accuracy)],
  ];
  if (temperature === 1) return `${table(lines)}\nThe model is as it was.`;
  const error = Number.isNaN(temperatureError) ? '' : ` ± ${temperatureError.toPrecision(2)}`;
  const isWithinError = Math.abs(Math.log(temperature)) * temperature <= 2 * temperatureError;
  const sure = isWithinError ? 'as sure as it is right' : temperature > 1 ? 'too sure' : 'not sure enough';
  return (
    `${table(lines)}\nThe temperature is ${temperature.toPrecision(4)}${error}, of ${counted(before.rows, 'row')}: ` +
    `the model was ${sure}.`
  );
}

/** For train: no `calibrated` where it was not asked for. */
export function fitCalibrationFacts(calibration: Training.FitCalibration | undefined) {
  if (calibration === undefined) return {};
  const { folds, warnings } = calibration;
  const shown = warnings.map(({ code, message }) => ({ code, message: inOptionNames(message) }));
  return { calibration: { ...calibrationFacts(calibration), folds, warnings: shown } };
}

/** What follows the report of train: an empty line, a table, and of which rows it is. */
export function fitCalibrationText(calibration: Training.FitCalibration | undefined): string {
  if (calibration === undefined) return '';
  const { folds } = calibration;
  const rows =
    folds === 0
      ? 'The rows are those of the validation.'
      : `Each row by a model trained without it (${folds} folds).`;
  return `\n${calibrationText(calibration)}\n${rows}\n`;
}

export function warnOfCalibration(
  calibration: Training.FitCalibration | undefined,
  progress: Progress,
): void {
  for (const { message } of calibration?.warnings ?? []) progress.warn(`warning: ${inOptionNames(message)}`);
}
