// Checking options at the public edge, once, with errors that name the option, the value and what would be right.
import { type ErrorCode, SoftshardError } from '../errors.js';
import { didYouMean } from '../nearest-name.js';
import { inspectValue } from '../printable.js';
import { type Cancellation, cancellationBy } from './cancellation.js';

export { inspectValue };

export const INT32_MAX = 2 ** 31 - 1;

/** Options must be a plain object with known names only: a misspelled option must not be silently ignored. */
export function checkOptionNames(argument: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    const message = `${argument} is ${inspectValue(options)}, not an object of options (${known.join(', ')})`;
    throw new SoftshardError('ERR_OPTION', message, { argument, value: options });
  }
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    const message = `${argument} has no option ${inspectValue(name)}${didYouMean(name, known)}: it takes ${known.join(', ')}`;
    throw new SoftshardError('ERR_OPTION', message, { argument: `${argument}.${name}`, value: name });
  }
}

/** `of` says what it holds. */
export function checkArray(argument: string, value: unknown, of: string): void {
  if (Array.isArray(value)) return;
  const message = `${argument} is ${inspectValue(value)}: it must be an array of ${of}`;
  throw new SoftshardError('ERR_OPTION', message, { argument, value });
}

export function checkStrings(argument: string, values: readonly string[]): void {
  checkArray(argument, values, 'strings');
  for (const [index, value] of values.entries()) {
    if (typeof value === 'string') continue;
    const message = `${argument}[${index}] is ${inspectValue(value)}: it must be a string`;
    throw new SoftshardError('ERR_OPTION', message, { argument: `${argument}[${index}]`, value });
  }
}

/** Array.prototype.every passes over holes. */
export const areStrings = (values: readonly unknown[]): values is readonly string[] =>
  !values.includes(undefined) && values.every((text) => typeof text === 'string');

export function checkInteger(argument: string, value: unknown, minimum: number, maximum: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= minimum && value <= maximum)
    return value;
  const range =
    maximum === Number.MAX_SAFE_INTEGER ? `of at least ${minimum}` : `from ${minimum} to ${maximum}`;
  const message = `${argument} is ${inspectValue(value)}: it must be a whole number ${range}`;
  throw new SoftshardError('ERR_OPTION', message, { argument, value });
}

/** Which target is ignored; PyTorch's default. */
export const checkIgnoreIndex = (value: number | undefined): number =>
  checkInteger('options.ignoreIndex', value ?? -100, -INT32_MAX, INT32_MAX);

/** A finite number in [minimum, limit). */
export function checkNumber(
  argument: string,
  value: unknown,
  minimum: number,
  limit = Number.POSITIVE_INFINITY,
): number {
  if (typeof value === 'number' && Number.isFinite(value) && value >= minimum && value < limit) return value;
  const range = limit === Number.POSITIVE_INFINITY ? `of at least ${minimum}` : `in [${minimum}, ${limit})`;
  const message = `${argument} is ${inspectValue(value)}: it must be a finite number ${range}`;
  throw new SoftshardError('ERR_OPTION', message, { argument, value });
}

export function checkBoolean(argument: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  const message = `${argument} is ${inspectValue(value)}: it must be true or false`;
  throw new SoftshardError('ERR_OPTION', message, { argument, value });
}

export function checkOneOf<Choice extends string>(
  argument: string,
  value: unknown,
  choices: readonly Choice[],
  code: ErrorCode = 'ERR_OPTION',
): Choice {
  if (choices.includes(value as Choice)) return value as Choice;
  const message = `${argument} is ${inspectValue(value)}: it must be one of ${choices.map(inspectValue).join(', ')}`;
  throw new SoftshardError(code, message, { argument, value });
}

export function checkPath(path: unknown): void {
  if (typeof path === 'string') return;
  const message = `path is ${inspectValue(path)}: it must be the name of a file (fileURLToPath of node:url gives that of a URL)`;
  throw new SoftshardError('ERR_TYPE', message, { argument: 'path', value: path });
}

/** An AbortSignal of any make, as something that does not throw. */
export function checkSignal(argument: string, value: unknown): Cancellation | undefined {
  const cancellation = cancellationBy(value);
  if (value === undefined || cancellation !== undefined) return cancellation;
  const message = `${argument} is ${inspectValue(value)}: it must be an AbortSignal`;
  throw new SoftshardError('ERR_OPTION', message, { argument, value });
}

export function checkFunction<Value extends ((...parameters: never[]) => unknown) | undefined>(
  argument: string,
  value: Value,
): Value {
  if (value === undefined || typeof value === 'function') return value;
  const message = `${argument} is ${inspectValue(value)}: it must be a function`;
  throw new SoftshardError('ERR_OPTION', message, { argument, value });
}
