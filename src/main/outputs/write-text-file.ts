// A text as a file that takes its name when it is complete.
import { SoftshardError } from '../../errors.js';
import { checkPath, inspectValue } from '../checks.js';
import { checkWriteOptions, type WriteOptions, writeFileAtomically } from './write-atomically.js';

/** In UTF-8; a file that is there stays until the new one is complete. Throws ERR_TYPE, ERR_FILE; rejects with signal.reason. */
export async function writeTextFile(path: string, text: string, options: WriteOptions = {}): Promise<void> {
  checkPath(path);
  if (typeof text !== 'string') {
    const message = `text is ${inspectValue(text)}: it must be a string`;
    throw new SoftshardError('ERR_TYPE', message, { argument: 'text', value: text });
  }
  const signal = checkWriteOptions(options);
  await writeFileAtomically(path, (write) => write(new TextEncoder().encode(text)), signal);
}
