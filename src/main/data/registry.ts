// The file formats, in the order in which they are asked whether a file is theirs.

import { SoftshardError } from '../../errors.js';
import { checkOneOf, inspectValue } from '../checks.js';
import { csvFormat } from './csv/csv.js';
import type { DataFile } from './data-file.js';
import { HEAD_BYTES, refuseForeign, unknownBytes } from './foreign-files.js';
import type { FileFormat } from './format.js';
import { idxFormat } from './idx/idx.js';
import { npyFormat } from './npy/npy.js';
import { CSV_OPTIONS, type CsvOptions } from './read-options.js';

/** CSV last: any text is CSV. */
const formats: FileFormat[] = [npyFormat, idxFormat, csvFormat];

/** All that readers know, those registered last first. */
export const fileFormats = (): readonly FileFormat[] => [...formats];

/**
 * Adds a format to readMatrix, readFeatures, readLabels and detectFormat of this process; it is asked before those that are
 * there. Returns a function that removes it.
 */
export function registerFileFormat(format: FileFormat): () => void {
  const given: Partial<FileFormat> | null | undefined = format;
  const isWhole =
    typeof given?.name === 'string' &&
    typeof given.title === 'string' &&
    Array.isArray(given.extensions) &&
    Array.isArray(given.options) &&
    [given.matches, given.readMatrix, given.readLabels].every((part) => typeof part === 'function');
  if (!isWhole) {
    const message = `format is ${inspectValue(format)}: it must have name, title, extensions, options, matches, readMatrix and readLabels`;
    throw new SoftshardError('ERR_TYPE', message, { argument: 'format', value: format });
  }
  if (formats.some(({ name }) => name === format.name)) {
    const message = `format.name is ${inspectValue(format.name)}, which is there already: choose another name`;
    throw new SoftshardError('ERR_OPTION', message, { argument: 'format.name', value: format.name });
  }
  for (const [i, extension] of format.extensions.entries()) {
    if (typeof extension === 'string' && /^\../.test(extension)) continue;
    const argument = `format.extensions[${i}]`;
    const message = `${argument} of ${inspectValue(format.name)} is ${inspectValue(extension)}: it must be the end of a file name with its dot, such as '.npy'`;
    throw new SoftshardError('ERR_OPTION', message, { argument, value: extension });
  }
  for (const [i, option] of format.options.entries()) {
    const argument = `format.options[${i}] of ${inspectValue(format.name)}`;
    checkOneOf(argument, option, [...CSV_OPTIONS, 'signal', 'onProgress']);
  }
  formats.unshift(format);
  return () => {
    if (formats.includes(format)) formats.splice(formats.indexOf(format), 1);
  };
}

/** Recognises the format by how the content begins; throws ERR_FORMAT where none takes it. */
export async function formatOf(file: DataFile): Promise<FileFormat> {
  const source = file.content(() => {});
  const buffer = new Uint8Array(HEAD_BYTES);
  const head = buffer.subarray(0, await source.read(buffer));
  source.close();
  const format = formats.find((format) => format.matches(head));
  if (format) return format;
  const titles = formats.map(({ title }) => title);
  const expected = `${titles.slice(0, -1).join(', ')} or ${titles.at(-1)}`;
  refuseForeign(file.path, head, { expected });
  throw unknownBytes(file.path, head, expected);
}

/** Ignored silently, an option of another format would mislead. */
export function checkTaken(format: FileFormat, path: string, options: CsvOptions): void {
  const name = CSV_OPTIONS.find((name) => options[name] !== undefined && !format.options.includes(name));
  if (name === undefined) return;
  const message = `options.${name} is not for the format ${inspectValue(format.name)}, which ${path} has: leave it out`;
  throw new SoftshardError('ERR_OPTION', message, { argument: `options.${name}`, value: options[name] });
}
