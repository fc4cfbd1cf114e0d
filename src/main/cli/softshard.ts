#!/usr/bin/env node
// The command `softshard`.

import { runCommandLine } from './program.js';

// Set, not passed to process.exit: what is on its way to a pipe must still get out.
process.exitCode = await runCommandLine(process.argv.slice(2));
