// Where the project is: attacks run from test/attack, and compiled from .attack/attack.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const built = createRequire(import.meta.url).resolve('#softshard/errors.js');

/** The URL of its folder. */
export const ROOT: URL = new URL('../', pathToFileURL(built));
